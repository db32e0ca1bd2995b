-- grain:  one row per flow of cash that is no fill
-- reads:  staged_flows, staged_labels, stage.timeline, stage.assets
-- params: $run_id
-- The first is the capital paid in. A flow of the account itself has no asset. Trades and the
-- flows that are not in them add up to the final equity.
create table cash_flows as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    assets.asset_id,
    kinds.label as kind,
    staged.amount,
    staged.in_trades
from staged_flows as staged
inner join stage.timeline as timeline on staged.t = timeline.t
left join stage.assets as assets on staged.sid = assets.sid
inner join staged_labels as kinds on staged.kind = kinds.code
order by staged.flow_id asc
