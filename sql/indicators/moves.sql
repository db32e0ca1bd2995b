-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices
-- params: :sign is 1 for rises, -1 for falls
-- How far the close rose (or fell) from the bar before, 0 where it went the other way. NULL on
-- the first bar.
with

changes as (
    select
        timestamp,
        asset_id,
        :sign * (close - lag(close) over (
            partition by asset_id
            order by timestamp
        )) as change
    from :prices
)

select
    timestamp,
    asset_id,
    -- Not greatest(change, 0), which skips a NULL.
    case when change < 0 then 0 else change end as value
from changes
