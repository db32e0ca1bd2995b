-- grain:  one row per (t, sid) with a bar at one of the times
-- reads:  main.prices, stage.assets, :times
-- params: :target, :columns, :membership
-- The rows that can be ranked, with the price columns that the strategy names.
create or replace temp table :target as
select
    times.t,
    assets.sid,
    times.timestamp
    :columns
from main.prices as prices
inner join :times as times on prices.timestamp = times.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
where :membership
