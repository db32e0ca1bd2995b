-- grain:  one row per exit rule
-- reads:  report.exits
-- params: none
-- Which rule closed how much, and what it made or lost net of costs.
select
    exit_rule,
    n_trades,
    pnl,
    average_return,
    average_bars_held
from report.exits
order by n_trades desc, exit_rule asc
