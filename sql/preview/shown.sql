-- grain:  one row per asset with a bar at the timestamp
-- reads:  :preview
-- params: none
-- What would be held first, then by rank.
select *
from :preview
order by is_held desc, rank asc nulls last, asset_id asc
