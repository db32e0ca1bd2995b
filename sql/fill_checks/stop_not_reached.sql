-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range
-- A stop sells at or below its price, a stop to buy above it; what is triggered by a touch the
-- other way round. No bar since the decision had such a price.
select
    timestamp,
    asset_id,
    order_type || if(quantity > 0, ' to buy at ', ' to sell at ') || stop_price
    || '; since its decision prices were from ' || low_since
    || ' to ' || high_since as what
from :rows
where
    case
        when (quantity > 0) = (order_type <> 'market_if_touched')
            then not high_since >= stop_price - $in_range * abs(stop_price)
        else not low_since <= stop_price + $in_range * abs(stop_price)
    end
