-- grain:  one row per rule or limit that acted
-- reads:  :staged, :beside
-- params: :held
-- features holds what the rule saw when it decided; a missing value has no key.
with

seen as (
    select
        beside.decision,
        map_from_entries(
            list(
                { 'k': beside.name, 'v': beside.value }
                order by beside.name
            )
        ) as features
    from :beside as beside
    group by beside.decision
)

select
    :held,
    seen.features
from :staged as staged
left join seen on staged.row = seen.decision
-- A join may turn its sides.
order by staged.row asc
