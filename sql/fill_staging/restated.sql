-- grain:  one row per asset whose shares became others
-- reads:  :acted
-- params: none
-- A split makes another number of the shares that somebody holds, a rename or merger another asset,
-- a spin-off one more.
select asset_id
from :acted
where kind in ('split', 'rename', 'merger')
union
select new_asset_id as asset_id
from :acted
where kind in ('rename', 'merger', 'spinoff') and new_asset_id is not null
