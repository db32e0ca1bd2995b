-- grain:  one row per feed and asset
-- reads:  :source
-- params: none
-- Which assets each feed holds: two feeds of one asset would say twice what its bars are.
select distinct
    __feed as feed,
    asset_id::varchar as asset_id
from :source
order by feed asc, asset_id asc
