-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A close outside [low, high] means that one of the three is wrong.
select *
from :source
where close < low or close > high
