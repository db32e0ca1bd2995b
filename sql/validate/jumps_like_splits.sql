-- grain:  one row per day that opens at a usual split's ratio to the close before
-- reads:  main.prices, stage.assets, stage.timeline
-- params: :assets, :of_run, :least_split, :least_merger, :first_price, :high, :low, :volume, :at_ratio, :usual_range, :usual_volume
-- Splits, and crashes that land on the same ratio, differ in the rest of the day: after a split the
-- price stays, and about as many shares trade as in the 30 days before, counted in new ones. Bars
-- of a day are taken together: no split is within one, and its first minutes are no usual ones.
with

days as (
    select
        asset_id,
        timestamp::date as day,
        min(timestamp) as timestamp,
        arg_min(:first_price, timestamp) as first_price,
        arg_max(close, timestamp) as close,
        max(:high) as high,
        min(:low) as low,
        sum(:volume) as shares
    from main.prices
    where
        close > 0
        and isfinite(close)
        and asset_id in (
            select assets.asset_id
            from stage.assets as assets
            where :assets
        )
        and timestamp in (
            select bars.timestamp
            from stage.timeline as bars
            where :of_run
        )
    group by asset_id, day
),

quotes as (
    select
        day,
        timestamp,
        asset_id,
        first_price,
        shares,
        high < :usual_range * low as is_calm,
        lag(close) over (
            partition by asset_id
            order by day asc
        ) as last_close
    from days
),

jumps as (
    select
        day,
        timestamp,
        asset_id,
        shares,
        last_close / first_price as ratio
    from quotes
    where
        is_calm
        and first_price > 0
        and (
            last_close > :least_split * first_price
            or first_price > :least_merger * last_close
        )
),

splits as (
    select unnest([1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0]) as split
    union all
    select 1 / unnest([2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0]) as split
),

near as (
    select
        jumps.day,
        jumps.timestamp,
        jumps.asset_id,
        jumps.shares,
        jumps.ratio,
        splits.split
    from jumps
    inner join splits on abs(ln(jumps.ratio / splits.split)) < :at_ratio
),

usual as (
    select
        near.asset_id,
        near.day,
        avg(days.shares) as shares
    from near
    inner join days
        on
            near.asset_id = days.asset_id
            and near.day > days.day
            and near.day <= days.day + 30
    group by near.asset_id, near.day
)

select
    near.asset_id,
    near.timestamp,
    round(near.ratio, 3) as ratio
from near
left join usual
    on near.asset_id = usual.asset_id and near.day = usual.day
where coalesce(near.shares / near.split < :usual_volume * usual.shares, true)
order by near.asset_id asc, near.timestamp asc
