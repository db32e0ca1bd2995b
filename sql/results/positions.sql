-- grain:  one row per (timestamp, asset_id) held at the close
-- reads:  staged_positions, stage.timeline, stage.assets
-- params: $run_id
-- unrealized_pnl is net of the commission and borrow fees paid on the open lots.
create table positions as
select
    $run_id::varchar as run_id,
    timeline.timestamp,
    assets.asset_id,
    staged.quantity,
    staged.price,
    staged.value,
    staged.unrealized_pnl,
    staged.is_stale
from staged_positions as staged
inner join stage.timeline as timeline on staged.t = timeline.t
inner join stage.assets as assets on staged.sid = assets.sid
order by staged.t asc, staged.sid asc
