-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A row without a day is of no session; a time of day was read as a missing one.
select *
from :source
where session is null
