-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- What happened to a price at a time is not known later by whoever holds it.
select *
from :source
where available_at > ex_date
