-- grain:  one row per offending order
-- reads:  :rows, fills
-- params: $whole
-- What was done of an order is the sum of its fills. Splits between two fills restate the first,
-- so that orders of assets that split are not among the rows.
with

filled as (
    select
        order_id,
        sum(quantity) as quantity
    from fills
    group by order_id
)

select
    orders.created_at as timestamp,
    orders.asset_id,
    'order ' || orders.order_id || ' says ' || orders.filled_quantity
    || ' done, its fills ' || coalesce(filled.quantity, 0) as what
from :rows as orders
left join filled on orders.order_id = filled.order_id
where
    abs(orders.filled_quantity - coalesce(filled.quantity, 0))
    > $whole * greatest(abs(orders.filled_quantity), abs(coalesce(filled.quantity, 0)))
