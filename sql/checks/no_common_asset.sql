-- grain:  one row per row to look at
-- reads:  :source, stage.assets
-- params: none
-- Not one row is of an asset in prices: a quiet run, or ids of another kind.
select source.*
from :source as source
where
    not exists (
        select 1
        from :source as others
        semi join stage.assets as assets on others.asset_id = assets.asset_id
    )
