-- grain:  one row
-- reads:  temp.bars, :target
-- params: none
-- How many bars have no feature row of their own.
select count(*) as n_bars
from temp.bars as bars
anti join :target as matched on bars.t = matched.t and bars.sid = matched.sid
