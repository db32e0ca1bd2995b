-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices
-- params: none
-- The range of a bar, drawn out to the close before it (Wilder). NULL on the first bar.
with

bars as (
    select
        timestamp,
        asset_id,
        high,
        low,
        lag(close) over (partition by asset_id order by timestamp) as previous
    from :prices
)

select
    timestamp,
    asset_id,
    -- greatest() and least() skip a NULL: an unknown price would go unseen.
    case
        when high is not null and low is not null and previous is not null
            then greatest(high, previous) - least(low, previous)
    end as value
from bars
