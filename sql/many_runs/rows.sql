-- grain:  one row per run
-- reads:  :metrics, :returns
-- params: none
select
    metrics.*,
    returns.* exclude (run_number)
from (:metrics) as metrics
left join (:returns) as returns on metrics.run_number = returns.run_number
order by metrics.run_number asc
