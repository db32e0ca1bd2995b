-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :fast and :slow smoothed closes, weights 2 / (n + 1)
-- params: none
-- The fast average over the slow one. Both are seeded so that they begin on one bar, the slow
-- one's first: the fast seed is the mean of the closes just before it, as in TA-Lib.
select
    fast.timestamp,
    fast.asset_id,
    fast.value - slow.value as value
from :fast as fast
inner join :slow as slow
    on fast.asset_id = slow.asset_id and fast.timestamp = slow.timestamp
