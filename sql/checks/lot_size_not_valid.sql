-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Quantities are multiples of the lot size; 0 or NULL is any fraction.
select *
from :source
where lot_size < 0 or not isfinite(lot_size)
