-- grain:  one row per bar
-- reads:  orders, fills, equity
-- params: none
-- Bars between the decision of an order and its last fill: cut there, it waits.
select distinct equity.timestamp::varchar as bar
from orders
inner join fills on orders.order_id = fills.order_id
inner join
    equity
    on
        orders.created_at < equity.timestamp
        and fills.timestamp > equity.timestamp
order by bar asc
