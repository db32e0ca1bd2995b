-- grain:  one row per offending row
-- reads:  :source
-- params: none
select *
from :source
where instrument not in ('share', 'future', 'perpetual')
