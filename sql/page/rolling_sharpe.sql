-- grain:  one row per bar
-- reads:  report.rolling
-- params: none
-- Annual and above the risk-free rate, over the half year up to each bar.
select
    timestamp,
    sharpe
from report.rolling
order by timestamp asc
