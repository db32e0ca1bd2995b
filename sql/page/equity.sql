-- grain:  one row per bar
-- reads:  report.bar_returns
-- params: none
-- What the account was worth, beside the same capital in the benchmark (NULL without one).
select
    timestamp,
    equity,
    benchmark_value as benchmark
from report.bar_returns
order by timestamp asc
