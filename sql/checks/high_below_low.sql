-- grain:  one row per offending row
-- reads:  :source
-- params: :tolerance
-- A bar whose range is empty holds no price that could have traded. Up to :tolerance of
-- the low is rounding.
select *
from :source
where high < low - :tolerance * abs(low)
