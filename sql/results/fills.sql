-- grain:  one row per fill
-- reads:  staged_fills, stage.timeline, stage.assets
-- params: $run_id
-- Shares, positive buys, negative sells; slippage and impact are inside the price.
create table fills as
select
    $run_id::varchar as run_id,
    staged.fill_id::bigint as fill_id,
    staged.order_id::bigint as order_id,
    timeline.timestamp,
    assets.asset_id,
    staged.quantity,
    staged.price,
    staged.commission,
    staged.slippage,
    staged.impact,
    staged.quantity * staged.price * assets.multiplier as value
from staged_fills as staged
inner join stage.timeline as timeline on staged.t = timeline.t
inner join stage.assets as assets on staged.sid = assets.sid
order by staged.fill_id asc
