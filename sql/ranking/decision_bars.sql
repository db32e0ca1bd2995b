-- grain:  one row per decision bar of the chunk
-- reads:  temp.decisions
-- params: none
-- The decision bars by number, in time order.
select t
from temp.decisions
order by t asc
