-- grain:  one row per offending row
-- reads:  :source
-- params: none
select *
from :source
where
    withholding is not null
    and not coalesce(withholding >= 0 and withholding < 1, false)
