-- grain:  one row per decision bar of the chunk
-- reads:  :decisions
-- params: none
-- The decision bars by number, in time order.
select t
from :decisions
order by t asc
