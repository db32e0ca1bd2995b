-- grain:  one row per (timestamp, asset_id) of ranked
-- reads:  ranked
-- params: none
-- w = 1 / n, with n the assets ranked at the bar: fully invested however few they are.
select
    timestamp,
    asset_id,
    1.0 / count(*) over (partition by timestamp) as weight
from ranked
