-- grain:  one row per row to look at
-- reads:  :source
-- params: none
-- Holders of several assets end up with one: right for classes of shares that were joined.
select *
from :source
where kind = 'rename'
qualify
    min(asset_id) over (partition by new_asset_id)
    <> max(asset_id) over (partition by new_asset_id)
