-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :prices
-- params: none
-- What averages of the close are made of. A NULL or NaN price, which every run refuses, makes
-- NULL or NaN of all that depends on it; no indicator skips it.
select
    timestamp,
    asset_id,
    close as value
from :prices
