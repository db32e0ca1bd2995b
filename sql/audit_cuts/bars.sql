-- grain:  one row per bar
-- reads:  equity
-- params: none
select timestamp::varchar as bar
from equity
order by timestamp asc
