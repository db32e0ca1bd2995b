-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices, :moments of the close
-- params: :made
-- How many population standard deviations the close is above the mean of the last n closes, its
-- own among them. Closes that are all the same have no spread to measure by: NULL.
select
    prices.timestamp,
    prices.asset_id,
    (prices.close - moments.mean) / nullif(moments.deviation, 0) as :made
from :prices as prices
inner join :moments as moments
    on
        prices.asset_id = moments.asset_id
        and prices.timestamp = moments.timestamp
