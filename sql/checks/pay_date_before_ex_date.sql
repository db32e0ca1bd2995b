-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Entitlement is settled on the ex-date, so cash cannot come before it. (Splits do have a pay
-- date before theirs; nothing reads it.)
select *
from :source
where
    kind in ('dividend', 'return_of_capital', 'cash', 'rights')
    and pay_date::date < ex_date::date
