-- grain:  one row per session with a bar
-- reads:  equity
-- params: none
-- At its last bar.
select
    session,
    arg_max(cash, timestamp) as cash
from equity
group by session
order by session asc
