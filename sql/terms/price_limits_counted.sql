-- grain:  one row
-- reads:  :limits
-- params: none
-- How many values of a limit are no flag, no price, or could be both.
select
    count(*) filter (where not is_flag) as n_no_flags,
    count(*) filter (where not is_price) as n_no_prices,
    count(*) filter (where is_flag and is_price) as n_both
from (:limits)
