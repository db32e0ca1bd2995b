-- grain:  one row per sid with a bar at the one bar, member or not
-- reads:  main.prices, stage.assets, :times, :bars
-- params: :target
-- Every asset that could be traded; bars has the members of the universe alone.
create or replace temp table :target as
select
    assets.sid,
    prices.asset_id,
    bars.sid is not null as is_member
from main.prices as prices
inner join :times as times on prices.timestamp = times.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
left join :bars as bars on assets.sid = bars.sid
