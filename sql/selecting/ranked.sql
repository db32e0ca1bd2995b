-- grain:  one row per (t, sid) that the ranking keeps
-- reads:  :chosen, :bars and what is known at them
-- params: :columns, :joins
-- What `ranked` means in a query.
select :columns
from :chosen as chosen
inner join :bars as bars on chosen.t = bars.t and chosen.sid = bars.sid
:joins
