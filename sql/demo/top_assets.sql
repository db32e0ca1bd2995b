-- grain:  one row per asset, the five that made most
-- reads:  trades
-- params: none
-- Open lots count with their marked P&L, so that all assets' P&L add up to the run's.
select
    asset_id,
    count(*) as n_trades,
    round(sum(pnl), 2) as pnl,
    round(100 * sum(pnl) / (select sum(pnl) from trades), 2) as share_of_pnl_pct
from trades
group by asset_id
order by pnl desc, asset_id asc
limit 5
