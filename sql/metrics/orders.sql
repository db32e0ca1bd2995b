-- grain:  one row per (status, reason) of orders that did not fill whole, at most 8
-- reads:  orders
-- params: none
-- Why a strategy traded less than it asked for, or not at all.
select
    status,
    reason,
    count(*) as n_orders
from orders
where status <> 'filled' or reason <> ''
group by status, reason
order by n_orders desc, status asc, reason asc
limit 8
