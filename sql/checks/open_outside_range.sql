-- grain:  one row per offending row
-- reads:  :source
-- params: :low, :high
-- An open outside [low, high] means that one of the three is wrong. A side
-- that the source does not have is stood in for by the price itself.
select *
from :source
where open < :low or open > :high
