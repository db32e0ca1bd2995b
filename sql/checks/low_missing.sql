-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A bar without its low is no bar: leave the row out where the asset did not trade.
select *
from :source
where low is null
