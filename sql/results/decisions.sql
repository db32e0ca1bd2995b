-- grain:  one row per rule or limit that acted
-- reads:  staged_decisions, staged_seen, staged_labels, stage.timeline, stage.assets
-- params: $run_id
-- features holds what the rule saw when it decided; a missing value has no key.
create table decisions as
with

seen as (
    select
        staged_seen.decision_id,
        map_from_entries(
            list({ 'k': labels.label, 'v': staged_seen.value } order by labels.label)
        ) as features
    from staged_seen
    inner join staged_labels as labels on staged_seen.name = labels.code
    group by staged_seen.decision_id
)

select
    $run_id::varchar as run_id,
    timeline.timestamp,
    assets.asset_id,
    rules.label as rule,
    actions.label as action,
    case when not isnan(staged.level) then staged.level end as level,
    reasons.label as reason,
    seen.features
from staged_decisions as staged
inner join stage.timeline as timeline on staged.t = timeline.t
left join stage.assets as assets on staged.sid = assets.sid
inner join staged_labels as rules on staged.rule = rules.code
inner join staged_labels as actions on staged.action = actions.code
inner join staged_labels as reasons on staged.reason = reasons.code
left join seen on staged.decision_id = seen.decision_id
order by staged.decision_id asc
