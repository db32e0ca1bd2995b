-- grain:  one row per status and reason of orders that did not fill whole
-- reads:  orders
-- params: none
-- Why less was traded than was asked for, or nothing.
select
    status,
    reason,
    count(*) as n_orders
from main.orders
where
    status <> 'filled'
    or (reason <> '' and filled_quantity = quantity)
group by status, reason
order by n_orders desc, status asc, reason asc
