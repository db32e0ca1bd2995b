-- grain:  one row per offending fill
-- reads:  :rows
-- params: none
-- Where an asset has no bar nothing trades.
select
    timestamp,
    asset_id,
    'no bar at the time of fill ' || fill_id as what
from :rows
where not has_bar
