-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A fraction of exposure: 50 would be a percentage, 0 a position without any capital.
select *
from :source
where
    initial_margin <= 0
    or initial_margin > 1
    -- NaN is above 1, but not by the statistics of a file that leave it out.
    or not isfinite(initial_margin)
