-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A price of zero or less cannot be bought.
select *
from :source
where low <= 0
