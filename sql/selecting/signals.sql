-- grain:  one row per (t, sid) with a bar at a decision
-- reads:  temp.bars and what is known at them
-- params: :columns, :joins
-- What `signals` means in a query.
select :columns
from temp.bars as bars
:joins
