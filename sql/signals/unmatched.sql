-- grain:  one row
-- reads:  :bars, :target
-- params: none
-- How many bars have no feature row of their own.
select count(*) as n_bars
from :bars as bars
anti join :target as matched on bars.t = matched.t and bars.sid = matched.sid
