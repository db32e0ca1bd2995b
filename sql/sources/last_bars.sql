-- grain:  one row per asset
-- reads:  main.prices, stage.timeline, stage.assets
-- params: none
-- The bar after which an asset has no more; an order for it could only wait in vain.
with

last_rows as (
    select
        asset_id,
        max(timestamp) as timestamp
    from main.prices
    group by asset_id
)

select timeline.t
from last_rows
inner join stage.assets as assets on last_rows.asset_id = assets.asset_id
inner join stage.timeline as timeline on last_rows.timestamp = timeline.timestamp
order by assets.sid asc
