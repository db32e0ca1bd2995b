-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A contract is rolled into another one.
select *
from :source
where new_asset_id is null or new_asset_id = asset_id
