-- grain:  one row per offending fill
-- reads:  :rows, :acted
-- params: none
-- From its delisting on an asset trades no more.
select
    fills.timestamp,
    fills.asset_id,
    'delisted at ' || acted.ex_date as what
from :rows as fills
inner join :acted as acted
    on
        fills.asset_id = acted.asset_id
        and acted.kind = 'delisting'
        and fills.timestamp >= acted.ex_date
