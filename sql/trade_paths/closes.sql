-- grain:  one row per (asset_id, timestamp) held at the close, of some assets
-- reads:  positions, trades
-- params: $most integer
-- The closes that page/trade shows, of the assets whose trades made or lost most, as many assets as
-- have $most closes in all. n_assets is of how many there are, so that it can be said.
with

moved as (
    select
        asset_id,
        sum(abs(pnl)) as amount
    from main.trades
    group by asset_id
),

held as (
    select
        asset_id,
        count(*) as n_closes
    from main.positions
    group by asset_id
),

ordered as (
    select
        held.asset_id,
        sum(held.n_closes) over (
            order by moved.amount desc nulls last, held.asset_id asc
        ) as n_closes,
        count(*) over () as n_assets
    from held
    left join moved on held.asset_id = moved.asset_id
)

select
    positions.asset_id,
    positions.timestamp,
    positions.price,
    ordered.n_assets
from main.positions
inner join ordered on positions.asset_id = ordered.asset_id
where ordered.n_closes <= $most
order by positions.asset_id asc, positions.timestamp asc
