-- grain:  one row per offending row
-- reads:  :source
-- params: none
select *
from :source
where basis not in ('old', 'new')
