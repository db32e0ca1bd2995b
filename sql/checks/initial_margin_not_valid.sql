-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A fraction of exposure: 50 would be a percentage, 0 a position without any capital.
select *
from :source
where initial_margin <= 0 or initial_margin > 1
