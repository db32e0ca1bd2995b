-- grain:  one row per offending row
-- reads:  :source
-- params: :new_asset_id
-- A position has to move somewhere. Without a column new_asset_id there is no where.
select *
from :source
where kind = 'rename' and coalesce(:new_asset_id = asset_id, true)
