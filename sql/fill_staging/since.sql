-- grain:  one row per fill of an order that waited for a price
-- reads:  main.prices, :waited
-- params: none
-- The lowest and the highest price of the bars from after the decision up to the fill: what is met
-- in one bar may fill in a later one, where the first had too little volume.
select
    waited.fill_id,
    min(prices.low)::double as low_since,
    max(prices.high)::double as high_since
from :waited as waited
inner join main.prices as prices
    on
        waited.asset_id = prices.asset_id
        and waited.created_at < prices.timestamp
        and waited.timestamp >= prices.timestamp
group by waited.fill_id
