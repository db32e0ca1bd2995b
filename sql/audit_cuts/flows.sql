-- grain:  one row per bar
-- reads:  cash_flows
-- params: none
-- Bars at which cash moved that no fill moved, such as a dividend.
select distinct timestamp::varchar as bar
from cash_flows
where kind <> 'deposit'
order by bar asc
