-- grain:  one row per offending row
-- reads:  :source
-- params: :low, :high, :tolerance
-- A close outside [low, high] means that one of the three is wrong. A side
-- that the source does not have is stood in for by the price itself. Up to :tolerance
-- of the bound is rounding: a price times an adjustment factor is off in its last digit.
select *
from :source
where
    close < :low - :tolerance * abs(:low)
    or close > :high + :tolerance * abs(:high)
