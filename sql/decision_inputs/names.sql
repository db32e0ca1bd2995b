-- grain:  one row per column of which a run wrote down what it read
-- reads:  :evidence
-- params: none
-- Names, and whether they are of assets.
select distinct
    name,
    asset_id is not null as is_of_asset
from :evidence
order by
    name asc,
    is_of_asset asc
