-- grain:  one row per bar whose adjusted close is another
-- reads:  main.prices
-- params: :item, :tolerance
-- An adjusted close beside prices that are not: what it has in it, the prices lack.
select
    asset_id,
    timestamp,
    :item as adjusted
from main.prices
where abs(:item / close - 1) > :tolerance and isfinite(cast(:item as double))
