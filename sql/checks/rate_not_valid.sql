-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- NaN is above every number. A rate of 5 for 5% would make every Sharpe ratio nonsense.
select *
from :source
where not coalesce(rate > -1 and rate < 1, false)
