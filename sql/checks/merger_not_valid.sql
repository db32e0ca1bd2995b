-- grain:  one row per offending row
-- reads:  :source, stage.assets
-- params: :new_asset_id, :amount
select source.*
from :source as source
semi join stage.assets as parents on source.asset_id = parents.asset_id
left join stage.assets as assets on :new_asset_id = assets.asset_id
where
    source.kind = 'merger'
    and not coalesce(
        source.value >= 0
        and isfinite(source.value)
        and coalesce(:amount, 0) >= 0
        and isfinite(coalesce(:amount, 0))
        and source.value + coalesce(:amount, 0) > 0
        and (source.value = 0 or assets.asset_id is not null),
        false
    )
