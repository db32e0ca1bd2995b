-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A position is multiplied by the ratio: 0, NaN or less would wipe it out.
select *
from :source
where kind = 'split' and not coalesce(value > 0 and isfinite(value), false)
