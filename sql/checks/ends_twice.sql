-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- An asset is delisted or renamed on a day, once: of two ends the account could take only one.
select *
from :source
where kind in ('delisting', 'rename')
qualify count(*) over (partition by asset_id, ex_date) > 1
