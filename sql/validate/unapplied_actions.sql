-- grain:  one row per bar whose column tells an action
-- reads:  main.prices
-- params: :item, :none is the value of a day without, beside 0
-- A split or dividend that stands beside a price, and that no source of actions applies.
select
    asset_id,
    timestamp,
    :item as value
from main.prices
where :item <> 0 and :item <> :none and isfinite(cast(:item as double))
