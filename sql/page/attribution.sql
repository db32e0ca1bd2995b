-- grain:  one row per way to split the trades and part of it
-- reads:  report.attribution
-- params: none
-- Which trades made the money; the parts of each name add up to the P&L of all trades.
select
    name,
    value,
    n_trades,
    pnl,
    pnl_before_costs,
    average_return
from report.attribution
order by name asc, value asc nulls last
