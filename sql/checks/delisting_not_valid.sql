-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- NULL is allowed: the price at which holders were paid out is not known.
select *
from :source
where kind = 'delisting' and not coalesce(value >= 0 and isfinite(value), true)
