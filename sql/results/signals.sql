-- grain:  one row per (timestamp, asset_id, name) that a feature provider computed in the run
-- reads:  staged_signals, staged_labels, stage.timeline, stage.assets
-- params: $run_id
-- What functions said while the run went on: it is in no source, so it is kept here.
create table signals as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    assets.asset_id,
    names.label as name,
    case when isfinite(staged.value) then staged.value end as value,
    texts.label as value_text
from staged_signals as staged
inner join stage.timeline as timeline on staged.t = timeline.t
left join stage.assets as assets on staged.sid = assets.sid
inner join staged_labels as names on staged.name = names.code
left join staged_labels as texts on staged.value_text = texts.code
order by staged.t asc, staged.sid asc, names.label asc
