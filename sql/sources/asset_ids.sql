-- grain:  one row per asset
-- reads:  stage.assets
-- params: none
-- Asset names in the order of their numbers.
select asset_id
from stage.assets
order by sid asc
