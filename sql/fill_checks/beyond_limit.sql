-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range
-- An order with a limit never pays more, nor gets less, costs of the price included.
select
    timestamp,
    asset_id,
    if(quantity > 0, 'bought', 'sold') || ' at ' || price
    || ', limit ' || limit_price as what
from :rows
where sign(quantity) * (price - limit_price) > $in_range * abs(limit_price)
