-- grain:  one row per offending order
-- reads:  :rows
-- params: $whole
-- An order cannot be filled beyond what it asks, nor on its other side.
select
    created_at as timestamp,
    asset_id,
    'order ' || order_id || ' of ' || quantity || ' shares was filled by '
    || filled_quantity as what
from :rows
where
    abs(filled_quantity) > abs(quantity) * (1 + $whole)
    or filled_quantity * quantity < 0
