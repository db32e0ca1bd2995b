-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A row that never became known would silently never be seen.
select *
from :source
where available_at is null
