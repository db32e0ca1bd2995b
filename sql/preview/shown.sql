-- grain:  one row per asset with a bar at the timestamp
-- reads:  temp.preview
-- params: none
-- What would be held first, then by rank.
select *
from temp.preview
order by is_held desc, rank asc nulls last, asset_id asc
