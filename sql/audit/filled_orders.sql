-- grain:  one row per order that has a fill of a known bar
-- reads:  :orders, :fills
-- params: :columns, :known
-- What was sent, as far as something came of it: other orders may still wait at the cut, and what
-- they are in the end is known later, as is an asset's new name or a price after a split.
select :columns
from :orders as orders
where
    orders.order_id in (
        select fills.order_id
        from :fills as fills
        where :known
    )
