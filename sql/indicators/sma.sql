-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :moments of the close
-- params: :made
-- The simple moving average: the mean of the last n closes.
select
    timestamp,
    asset_id,
    mean as :made
from :moments
