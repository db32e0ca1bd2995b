-- grain:  one row per exit rule
-- reads:  trades
-- params: none
-- Which rule closed how many lots, and what they made net of costs.
select
    exit_rule,
    count(*) as n_trades,
    round(sum(pnl), 2) as pnl,
    round(100 * avg("return"), 2) as mean_return_pct,
    round(avg(bars_held), 1) as mean_bars_held
from trades
where exit_timestamp is not null
group by exit_rule
order by pnl desc, exit_rule asc
