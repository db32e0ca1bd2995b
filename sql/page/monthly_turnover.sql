-- grain:  one row per calendar month with a bar
-- reads:  report.monthly_trading
-- params: none
-- The value of all fills of a month over its mean equity; both sides count.
select
    month,
    turnover,
    n_fills
from report.monthly_trading
order by month asc
