-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A membership must start, and must not end before it starts.
select *
from :source
where asset_id is null or start_date is null or end_date < start_date
