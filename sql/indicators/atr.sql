-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :smoothed true ranges, weight 1 / n
-- params: :made
-- Wilder's average true range, seeded with the mean of the true ranges of bars 2 to n + 1: the
-- first bar has no previous close, and so no true range.
select
    timestamp,
    asset_id,
    value as :made
from :smoothed
