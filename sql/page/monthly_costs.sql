-- grain:  one row per calendar month with a bar
-- reads:  report.monthly_trading
-- params: none
-- What trading cost in each month, account currency.
select
    month,
    costs,
    commission,
    tax,
    fee,
    slippage,
    impact,
    borrow
from report.monthly_trading
order by month asc
