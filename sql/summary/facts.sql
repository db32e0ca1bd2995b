-- grain:  one row
-- reads:  runs, orders
-- params: none
-- How the run was made, whether anything was ordered, and, as JSON, its settings and what they did.
-- An earlier version counted less: it says nothing of that.
select
    fill_policy,
    n_bars,
    (select count(*) from orders) as n_orders,
    configuration,
    activity,
    rows_dropped,
    coalesce(drop_rules, '{}') as drop_rules,
    misses,
    coalesce(selection, '{}') as selection,
    warnings,
    sources
from runs
