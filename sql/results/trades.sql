-- grain:  one row per closed lot part, and one per lot still open
-- reads:  staged_trades, staged_labels, stage.timeline, stage.assets
-- params: $run_id
-- The sum of pnl and of the flows that are not in trades is the change of equity: an open lot
-- carries its marked P&L, and a dividend counts from its ex-date: what is due after the last bar
-- is in pnl and in no equity yet.
create table trades as
select
    $run_id::varchar as run_id,
    staged.trade_id::bigint as trade_id,
    assets.asset_id,
    staged.quantity,
    entries.timestamp as entry_timestamp,
    staged.entry_price,
    exits.timestamp as exit_timestamp,
    case when staged.exit_t >= 0 then staged.exit_price end as exit_price,
    staged.pnl,
    staged.pnl
    / (abs(staged.quantity) * staged.entry_price * assets.multiplier) as "return",
    case when staged.exit_t >= 0 then staged.exit_t - staged.entry_t end::integer
        as bars_held,
    case when staged.exit_t >= 0 then labels.label end as exit_rule,
    staged.commission,
    staged.slippage,
    staged.impact,
    staged.borrow,
    staged.dividends
from staged_trades as staged
inner join stage.timeline as entries on staged.entry_t = entries.t
left join stage.timeline as exits on staged.exit_t = exits.t
inner join stage.assets as assets on staged.sid = assets.sid
inner join staged_labels as labels on staged.reason = labels.code
order by staged.trade_id asc
