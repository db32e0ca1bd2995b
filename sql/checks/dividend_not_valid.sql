-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Cash per share; a NaN would make all cash NaN.
select *
from :source
where kind = 'dividend' and not coalesce(value >= 0 and isfinite(value), false)
