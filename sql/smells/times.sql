-- grain:  one row per bar that is looked at
-- reads:  stage.timeline
-- params: :target, $starts, $length
-- Bars in blocks, so that each has its neighbours.
create or replace temp table :target as
with

blocks as (
    select unnest($starts::integer[]) as first_t
)

select
    timeline.t,
    timeline.timestamp
from stage.timeline as timeline
inner join blocks
    on
        timeline.t >= blocks.first_t
        and timeline.t < blocks.first_t + $length
where timeline.timestamp is not null
