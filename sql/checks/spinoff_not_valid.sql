-- grain:  one row per offending row
-- reads:  :source, stage.assets
-- params: :new_asset_id, :basis_share
select source.*
from :source as source
semi join stage.assets as parents on source.asset_id = parents.asset_id
left join stage.assets as assets on :new_asset_id = assets.asset_id
where
    source.kind = 'spinoff'
    and not coalesce(
        source.value > 0
        and isfinite(source.value)
        and assets.asset_id is not null
        and coalesce(:basis_share > 0 and :basis_share < 1, true),
        false
    )
