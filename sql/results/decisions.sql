-- grain:  one row per rule or limit that acted
-- reads:  :staged, :seen
-- params: :held
-- features holds what the rule saw when it decided; a missing value has no key.
with

seen as (
    select
        staged_seen.decision,
        map_from_entries(
            list(
                { 'k': staged_seen.name, 'v': staged_seen.value }
                order by staged_seen.name
            )
        ) as features
    from :seen as staged_seen
    group by staged_seen.decision
)

select
    :held,
    seen.features
from :staged as staged
left join seen on staged.row = seen.decision
