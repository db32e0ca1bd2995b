-- grain:  one row per (status, reason) of orders that did not fill whole, at most 8
-- reads:  orders
-- params: none
-- Why a strategy traded less than it asked for, or not at all. What was filled but for less than 1%
-- is counted in report.trading_metrics: an account that is all invested trims every purchase for its costs.
select
    status,
    reason,
    count(*) as n_orders
from orders
where
    status <> 'filled'
    or (reason <> '' and filled_quantity = quantity)
group by status, reason
order by n_orders desc, status asc, reason asc
limit 8
