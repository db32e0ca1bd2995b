-- grain:  one row per trade, in the order of page/trades
-- reads:  trades, fills, orders
-- params: none
-- From when on page/trade looks at what was decided about a trade.
select coalesce(orders.created_at, trades.entry_timestamp) as decided_at
from main.trades
left join main.fills on trades.entry_fill_id = fills.fill_id
left join main.orders on fills.order_id = orders.order_id
order by trades.trade_id asc
