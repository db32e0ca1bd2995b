-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A row without a timestamp has no place in time.
select *
from :source
where timestamp is null
