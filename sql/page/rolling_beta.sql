-- grain:  one row per bar
-- reads:  report.rolling
-- params: none
-- To the benchmark, over the half year up to each bar; NULL without a benchmark.
select
    timestamp,
    beta
from report.rolling
order by timestamp asc
