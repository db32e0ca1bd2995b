-- grain:  one row per fill
-- reads:  fills, equity
-- params: none
-- In the order in which cash moved. txn_dollars is what a fill brought, before its commission.
select
    equity.session,
    fills.quantity as amount,
    fills.price,
    fills.asset_id as symbol,
    fills.asset_id as sid,
    fills.order_id,
    fills.commission,
    -fills.value as txn_dollars,
    fills.timestamp
from fills
inner join equity on fills.timestamp = equity.timestamp
order by fills.fill_id asc
