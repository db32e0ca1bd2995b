-- grain:  one row per bar
-- reads:  stage.timeline
-- params: :target
-- The bars at which market-wide columns are looked at; their one asset has the number 0.
create or replace temp table :target as
select
    t,
    0::integer as sid,
    timestamp
from stage.timeline
where timestamp is not null
