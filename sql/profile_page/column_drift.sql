-- grain:  one row per column of numbers and period
-- reads:  drift
-- params: none
-- How far the distribution moved from the period before: below 0.1 little, above 0.25 much.
select
    concat(source, '.', column_name) as feature,
    period,
    psi,
    mean,
    std,
    "median",
    n_values
from drift
order by source asc, column_name asc, period asc
