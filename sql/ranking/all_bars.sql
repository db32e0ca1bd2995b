-- grain:  one row per bar of the chunk
-- reads:  stage.timeline
-- params: :target, $first_t, $last_t
-- Every bar of the chunk, for what is read at each of them.
create or replace temp table :target as
select
    t,
    timestamp
from stage.timeline
where t between $first_t and $last_t
