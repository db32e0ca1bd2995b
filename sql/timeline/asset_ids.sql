-- grain:  one row per asset
-- reads:  stage.assets
-- params: none
-- Asset names in the order of their numbers, as text: NumPy has no 128-bit integers.
select asset_id::varchar as asset_id
from stage.assets
order by sid asc
