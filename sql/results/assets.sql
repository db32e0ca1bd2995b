-- grain:  one row per asset
-- reads:  staged_assets
-- params: :type
-- The result keeps its own small copies, so that it outlives the catalog.
create table stage.assets as
select
    sid::integer as sid,
    cast(asset_id as :type) as asset_id,
    multiplier
from staged_assets
