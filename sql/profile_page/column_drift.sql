-- grain:  one row per column of numbers and period
-- reads:  drift
-- params: none
-- How far the distribution moved from the period before: below 0.1 little, above 0.25 much.
-- The column that moved most stands first; the last digits of psi depend on threads.
select
    concat(source, '.', column_name) as feature,
    period,
    psi,
    mean,
    std,
    "median",
    n_values
from drift
order by
    round(max(psi) over (partition by source, column_name), 6) desc nulls last,
    source asc,
    column_name asc,
    period asc
