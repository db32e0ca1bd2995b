-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Not "not isfinite(...)": see multiplier_not_valid.
select *
from :source
where
    coalesce(trim(base), '') = ''
    or coalesce(trim("quote"), '') = ''
    or base = "quote"
    or case when isfinite(rate) then rate <= 0 else true end
