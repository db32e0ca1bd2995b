-- grain:  one row per (t, sid) of :bars
-- reads:  :bars and what is known at them
-- params: :columns, :joins
-- What `signals` means in a query.
select :columns
from :bars as bars
:joins
