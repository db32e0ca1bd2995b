-- grain:  one row per asset, the five that made most
-- reads:  trades
-- params: none
-- Open lots count with their marked P&L, so that all assets' P&L add up to the run's.
with

assets as (
    select
        asset_id,
        count(*) as n_trades,
        sum(pnl) as pnl
    from trades
    group by asset_id
),

shares as (
    select
        asset_id,
        n_trades,
        round(pnl, 2) as pnl,
        round(100 * pnl / sum(pnl) over (), 2) as share_of_pnl_pct
    from assets
)

select * from shares
order by pnl desc, asset_id asc
limit 5
