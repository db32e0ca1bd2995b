-- grain:  one row per drawdown, at most 10
-- reads:  report.drawdowns
-- params: none
-- The deepest of them; start is NULL where the initial capital was the peak, recovery where
-- equity has not come back.
select
    rank,
    start,
    bottom,
    recovery,
    drawdown,
    n_bars,
    n_days
from report.drawdowns
order by rank asc
limit 10
