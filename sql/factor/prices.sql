-- grain:  one row per bar of an asset, and one where what became of it was paid out
-- reads:  main.prices, stage.timeline, stage.assets, :adjustments, :ends
-- params: :target, :price
-- What an asset was worth, and by what its prices are multiplied so that splits and dividends are
-- in their quotients: 1 until the first of them, so that quotients without any are exact.
create or replace temp table :target as
with

bars as (
    select
        timeline.t,
        assets.sid,
        (:price)::double as price,
        prices.close::double as close
    from main.prices as prices
    inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
    inner join stage.assets as assets on prices.asset_id = assets.asset_id
),

adjusted as (
    select
        bars.*,
        coalesce(adjustments.adjustment, 1.0::double) as adjustment,
        true as is_bar
    from bars
    asof left join :adjustments as adjustments
        on bars.sid = adjustments.sid and bars.t >= adjustments.t
),

own as (
    select adjusted.*
    from adjusted
    left join :ends as ends on adjusted.sid = ends.sid
    -- Whoever was paid out holds nothing any more.
    where ends.t is null or adjusted.t < ends.t
)

select *
from own
union all by name
select
    t,
    sid,
    worth as price,
    worth as close,
    adjustment,
    false as is_bar
from :ends
