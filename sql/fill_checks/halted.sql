-- grain:  one row per offending fill
-- reads:  :rows
-- params: none
-- In a bar without volume nobody traded.
select
    timestamp,
    asset_id,
    quantity || ' shares in a bar without volume' as what
from :rows
where bar_volume = 0
