-- grain:  one row per sid with a bar at the one decision bar, member or not
-- reads:  main.prices, stage.assets, temp.decisions, temp.bars
-- params: none
-- Every asset that could be traded; bars has the members of the universe alone.
create or replace temp table shown as
select
    assets.sid,
    prices.asset_id,
    bars.sid is not null as is_member
from main.prices as prices
inner join temp.decisions as decisions on prices.timestamp = decisions.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
left join temp.bars as bars on assets.sid = bars.sid
