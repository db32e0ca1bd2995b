-- grain:  one row per (t, sid) that the ranking keeps
-- reads:  temp.chosen, temp.bars and what is known at them
-- params: :columns, :joins
-- What `ranked` means in a query.
select :columns
from temp.chosen as chosen
inner join temp.bars as bars on chosen.t = bars.t and chosen.sid = bars.sid
:joins
