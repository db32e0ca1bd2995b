-- grain:  no row
-- reads:  :fills
-- params: none
-- Actions of a catalog that has none.
select
    asset_id,
    timestamp as ex_date,
    null::varchar as kind,
    asset_id as new_asset_id
from :fills
where false
