-- grain:  one row per bar
-- reads:  __prices, the step of prices
-- params: none
-- The bars by number, from 1.
select
    timestamp,
    row_number() over (order by timestamp asc) as bar_number
from (
    select distinct timestamp
    from __prices
) as times
