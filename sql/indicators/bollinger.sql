-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :moments of the close
-- params: :k, :upper, :middle, :lower
-- The mean of the last n closes, and k population standard deviations to each side of it.
select
    timestamp,
    asset_id,
    mean + :k * deviation as :upper,
    mean as :middle,
    mean - :k * deviation as :lower
from :moments
