-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Account currency per unit of price and quantity: at 0 a position would have no value.
select *
from :source
where multiplier <= 0 or not isfinite(multiplier)
