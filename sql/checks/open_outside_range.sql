-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- An open outside [low, high] means that one of the three is wrong.
select *
from :source
where open < low or open > high
