-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :gains and :losses per bar, smoothed, weight 1 / n
-- params: :made
-- Wilder's relative strength index, each average seeded with the mean of bars 2 to n + 1. A
-- close that has never moved has no relative strength: NULL, where TA-Lib has 0, which would
-- read as oversold.
select
    gains.timestamp,
    gains.asset_id,
    100 * gains.value / nullif(gains.value + losses.value, 0) as :made
from :gains as gains
inner join :losses as losses
    on gains.asset_id = losses.asset_id and gains.timestamp = losses.timestamp
