-- grain:  one row per asset with a bar before the run
-- reads:  main.prices, stage.assets, stage.timeline
-- params: :target, :first, :columns
-- What was an asset's bar before at its first of the run, with columns of prices.
create or replace temp table :target as
with

last_bars as (
    select
        asset_id,
        max(timestamp) as timestamp
    from main.prices
    where timestamp < :first
    group by asset_id
)

select
    timeline.t,
    assets.sid,
    prices.timestamp
    :columns
from last_bars
inner join main.prices as prices
    on last_bars.asset_id = prices.asset_id and last_bars.timestamp = prices.timestamp
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
