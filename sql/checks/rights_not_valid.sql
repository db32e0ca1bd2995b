-- grain:  one row per offending row
-- reads:  :source
-- params: :amount
select *
from :source
where
    kind = 'rights'
    and not coalesce(
        value > 0 and isfinite(value) and :amount >= 0 and isfinite(:amount), false
    )
