-- grain:  one row per bar and currency
-- reads:  :staged
-- params: :held
-- A currency of which nothing is kept is worth nothing, whatever its rate is.
select
    :held,
    case when staged.cash = 0 then 0 else staged.cash * staged.rate end as value
from :staged as staged
