-- grain:  one row per order
-- reads:  staged_orders, staged_labels, stage.timeline, stage.assets
-- params: $run_id
-- Every order with its end; a target that could not be sized has no quantity.
create table orders as
select
    $run_id::varchar as run_id,
    staged.order_id::bigint as order_id,
    assets.asset_id,
    timeline.timestamp as created_at,
    case when isnan(staged.quantity) then null else staged.quantity end as quantity,
    kinds.label as order_type,
    case when not isnan(staged.limit_price) then staged.limit_price end as limit_price,
    case when not isnan(staged.stop_price) then staged.stop_price end as stop_price,
    tifs.label as time_in_force,
    statuses.label as status,
    reasons.label as reason,
    staged.filled as filled_quantity,
    tags.label as tag,
    case when staged.parent >= 0 then staged.parent end as parent_id
from staged_orders as staged
inner join stage.timeline as timeline on staged.created_t = timeline.t
inner join stage.assets as assets on staged.sid = assets.sid
inner join staged_labels as kinds on staged.kind = kinds.code
inner join staged_labels as tifs on staged.tif = tifs.code
inner join staged_labels as statuses on staged.status = statuses.code
inner join staged_labels as reasons on staged.reason = reasons.code
inner join staged_labels as tags on staged.tag = tags.code
order by staged.order_id asc
