-- grain:  one row per asset, at most 10
-- reads:  report.liquidity
-- params: none
-- What would take longest to sell, at a tenth of the volume; empty where volume is not known.
select
    asset_id,
    largest_quantity,
    session_volume,
    days_to_liquidate
from report.liquidity
order by days_to_liquidate desc, asset_id asc
limit 10
