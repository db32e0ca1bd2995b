-- grain:  one row per exit rule
-- reads:  trades
-- params: none
-- Which rule closed how much, and what it made or lost net of costs.
select
    exit_rule,
    count(*) as n_trades,
    sum(pnl) as pnl,
    avg("return") as average_return,
    avg(bars_held) as average_bars_held
from main.trades
where exit_timestamp is not null
group by exit_rule
order by n_trades desc, exit_rule asc
