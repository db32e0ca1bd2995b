-- grain:  one row per bar of an asset
-- reads:  main.prices, stage.timeline, stage.assets
-- params: :target, :columns
-- Prices are known at their own bars. The one scan of them.
create or replace temp table :target as
select
    timeline.t,
    assets.sid,
    prices.timestamp,
    :columns
from main.prices as prices
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
