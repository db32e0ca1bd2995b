-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices
-- params: :n, :skip, :made
-- The simple return from n bars ago to skip bars ago; bars are the asset's own, so that a bar
-- that is missing is not counted. NULL on the first n bars.
with

changes as (
    select
        timestamp,
        asset_id,
        lag(close, :skip) over by_asset as newest,
        lag(close, :n) over by_asset as oldest
    from :prices
    window by_asset as (partition by asset_id order by timestamp)
)

select
    timestamp,
    asset_id,
    -- Division by zero is an error, and would stand before the check that names the row.
    newest / nullif(oldest, 0) - 1 as :made
from changes
