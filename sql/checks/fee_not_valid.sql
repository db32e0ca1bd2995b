-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A missing fee would be charged as none; NULL is no fee that a lender asks.
select *
from :source
where not coalesce(fee >= 0 and isfinite(fee), false)
