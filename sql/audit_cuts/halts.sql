-- grain:  one row per bar
-- reads:  positions
-- params: none
-- Bars at which something was held that had no price.
select distinct timestamp::varchar as bar
from positions
where is_stale
order by bar asc
