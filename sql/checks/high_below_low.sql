-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A bar whose range is empty holds no price that could have traded.
select *
from :source
where high < low
