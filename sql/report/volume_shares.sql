-- grain:  one row per fill in a bar with volume
-- reads:  fills
-- params: none
-- How much of what everybody traded in its bar each fill was: |quantity| / volume, both in shares as
-- traded. Above 1 more was filled than there was. Fills of one asset in one bar stand alone.
select
    fill_id,
    timestamp,
    asset_id,
    quantity,
    volume,
    abs(quantity) / volume as volume_share
from main.fills
where volume > 0
order by fill_id asc
