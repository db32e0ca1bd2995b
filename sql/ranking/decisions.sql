-- grain:  one row per decision bar of the chunk
-- reads:  stage.timeline, temp.market
-- params: :condition, $first_t, $last_t, $every, $offset
-- Bar numbers count from 1. A condition that is NULL is not true: no trade on missing context.
create or replace temp table decisions as
select
    timeline.t,
    timeline.timestamp
from (select t, timestamp from stage.timeline) as timeline
inner join temp.market as market on timeline.t = market.t
where
    timeline.t between $first_t and $last_t
    and (timeline.t + 1 - $offset) % $every = 0
    and coalesce((:condition), false)
