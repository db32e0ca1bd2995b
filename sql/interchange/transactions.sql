-- grain:  one row per fill
-- reads:  fills, equity
-- params: none
-- In the order in which cash moved. txn_dollars is what a fill brought, before its commission,
-- which is that of its broker alone: tax and fee stand beside it.
select
    equity.session,
    fills.quantity as amount,
    fills.price,
    fills.asset_id as symbol,
    fills.asset_id as sid,
    fills.order_id,
    fills.commission,
    coalesce(fills.tax, 0) as tax,
    coalesce(fills.fee, 0) as fee,
    -fills.value as txn_dollars,
    fills.timestamp
from fills
inner join equity on fills.timestamp = equity.timestamp
order by fills.fill_id asc
