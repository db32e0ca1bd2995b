-- grain:  one row per calendar month with a bar
-- reads:  report.monthly_returns
-- params: none
-- What each month made; compounded over all of them they are the total return.
select
    year(monthly_returns.month)::integer as year,
    month(monthly_returns.month)::integer as month,
    monthly_returns."return"
from report.monthly_returns
order by monthly_returns.month asc
