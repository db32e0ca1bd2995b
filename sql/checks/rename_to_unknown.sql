-- grain:  one row per offending row
-- reads:  :source, stage.assets
-- params: none
-- A position would move to an asset that never has a price. Renames of assets that the run
-- does not have are none of its business.
select *
from :source
where
    kind = 'rename'
    and asset_id in (select asset_id from stage.assets)
    and new_asset_id not in (select asset_id from stage.assets)
