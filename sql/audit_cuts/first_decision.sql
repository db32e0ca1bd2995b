-- grain:  one row, or none
-- reads:  orders
-- params: none
-- The bar at which the first order was decided.
select min(created_at)::varchar as bar
from orders
having min(created_at) is not null
