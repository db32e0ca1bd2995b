-- grain:  one row per decision bar of the chunk
-- reads:  stage.timeline, :market
-- params: :target, :condition, $first_t, $last_t, $every, $offset, $due
-- Bar numbers count from 1, in $offset from the first of the run; a schedule in words has its own
-- bars, $due. A condition that is NULL is not true: no trade on missing context.
create or replace temp table :target as
with

-- The bare columns, so that a condition finds the market's names and no others.
bars as (
    select
        t,
        timestamp
    from stage.timeline
    where t between $first_t and $last_t
)

select
    bars.t,
    bars.timestamp
from bars
inner join :market as market on bars.t = market.t
where
    (bars.t + 1 - $offset) % $every = 0
    and coalesce(list_contains($due::integer[], bars.t), true)
    and coalesce((:condition), false)
