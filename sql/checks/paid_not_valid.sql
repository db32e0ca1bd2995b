-- grain:  one row per offending row
-- reads:  :source
-- params: none
select *
from :source
where
    (
        kind = 'return_of_capital'
        and not coalesce(value >= 0 and isfinite(value), false)
    )
    or (kind = 'cash' and not coalesce(isfinite(value), false))
