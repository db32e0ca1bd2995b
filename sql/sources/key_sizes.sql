-- grain:  one row
-- reads:  :source
-- params: none
-- How large a bitmap over all (timestamp, asset_id) pairs would be.
select
    count(*) as n_rows,
    count(distinct timestamp) as n_timestamps,
    count(distinct asset_id) as n_assets
from :source
where asset_id is not null
