-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Prices are multiples of the tick size; 0 or NULL is any price.
select *
from :source
where tick_size < 0 or not isfinite(tick_size)
