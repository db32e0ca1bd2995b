-- grain:  one row per fill whose asset has a bar at its time
-- reads:  main.prices, :fills
-- params: :columns
-- The bars of fills, as the catalog has them now; a column that it lacks is NULL.
select
    fills.fill_id,
    :columns
from :fills as fills
inner join main.prices as prices
    on
        fills.timestamp = prices.timestamp
        and fills.asset_id = prices.asset_id
