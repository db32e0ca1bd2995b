-- grain:  one row per (t, sid) with a bar at a decision
-- reads:  main.prices, stage.assets, temp.decisions
-- params: :columns, :membership
-- The rows that can be ranked, with the price columns that the strategy names.
create or replace temp table bars as
select
    decisions.t,
    assets.sid,
    decisions.timestamp
    :columns
from main.prices as prices
inner join temp.decisions as decisions on prices.timestamp = decisions.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
where :membership
