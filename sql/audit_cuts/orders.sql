-- grain:  one row per bar
-- reads:  orders
-- params: none
-- Bars at which something was decided.
select distinct created_at::varchar as bar
from orders
order by bar asc
