-- grain:  one row per (timestamp, asset_id)
-- reads:  raw_prices
-- params: none
-- As traded: what an order would have paid. The vendor's adjusted_close stays behind, since
-- what happened later is in it.
create or replace table prices as
select
    timestamp,
    asset_id,
    open,
    high,
    low,
    close,
    volume
from raw_prices
order by timestamp asc, asset_id asc
