-- grain:  one row per contract with bars after its expiry
-- reads:  main.prices, main.assets
-- params: none
-- Of times with a zone the date is that of the catalog's zone, as sessions are.
select
    assets.asset_id,
    assets.expiry,
    max(prices.timestamp) as last_bar
from main.assets as assets
inner join main.prices as prices on assets.asset_id = prices.asset_id
where prices.timestamp::date > assets.expiry
group by assets.asset_id, assets.expiry
order by assets.asset_id asc
