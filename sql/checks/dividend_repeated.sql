-- grain:  one row per row to look at
-- reads:  :source
-- params: none
-- Two dividends of one value on one day, told apart by other columns: both are paid.
select *
from :source
where kind = 'dividend'
qualify count(*) over (partition by asset_id, ex_date, value) > 1
