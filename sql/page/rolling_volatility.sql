-- grain:  one row per bar
-- reads:  report.rolling
-- params: none
-- Annual, over the half year up to each bar; NULL until so many returns are there.
select
    timestamp,
    volatility
from report.rolling
order by timestamp asc
