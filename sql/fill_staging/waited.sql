-- grain:  one row per fill of an order that waited for a price
-- reads:  fills, orders
-- params: :columns, :kinds
-- Fills of which bars since the decision tell whether the price was met.
select :columns
from fills
inner join orders on fills.order_id = orders.order_id
where orders.order_type in :kinds
