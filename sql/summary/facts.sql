-- grain:  one row
-- reads:  runs, orders
-- params: none
-- How the run was made, whether anything was ordered, and, as JSON, its settings and what they did.
select
    fill_policy,
    n_bars,
    (select count(*) from orders) as n_orders,
    configuration,
    activity,
    rows_dropped,
    drop_rules,
    misses,
    selection,
    warnings
from runs
