-- grain:  one row per row to look at
-- reads:  :source, stage.assets
-- params: none
-- Rows of assets that the run does not have are none of its business, unless case, spaces or
-- dots alone keep them from one that it has.
with

spellings as (
    select regexp_replace(lower(asset_id::varchar), '[^a-z0-9]', '', 'g') as letters
    from stage.assets
)

select source.*
from :source as source
anti join stage.assets as assets on source.asset_id = assets.asset_id
where
    regexp_replace(lower(source.asset_id::varchar), '[^a-z0-9]', '', 'g') in (
        select letters from spellings
    )
