-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :smoothed closes, weight 2 / (n + 1)
-- params: :made
-- The exponential moving average, seeded with the mean of the first n closes.
select
    timestamp,
    asset_id,
    value as :made
from :smoothed
