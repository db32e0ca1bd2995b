-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A price without an asset cannot be traded. (In features a NULL asset_id is market-wide.)
select *
from :source
where asset_id is null
