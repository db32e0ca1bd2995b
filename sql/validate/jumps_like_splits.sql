-- grain:  one row per bar that opens at a usual split's ratio to the close before
-- reads:  main.prices, stage.assets
-- params: :assets, :least_split, :least_merger, :first_price, :high, :low, :volume, :at_ratio, :usual_range, :usual_volume
-- Splits, and crashes that land on the same ratio, differ in the rest of the bar: after a split the
-- price stays, and about as many shares trade as in the 30 days before, counted in new ones.
with

quotes as (
    select
        timestamp,
        asset_id,
        :first_price as first_price,
        :volume as shares,
        :high < :usual_range * :low as is_calm,
        lag(close) over (
            partition by asset_id
            order by timestamp asc
        ) as last_close
    from main.prices
    where
        close > 0
        and isfinite(close)
        and asset_id in (
            select assets.asset_id
            from stage.assets as assets
            where :assets
        )
),

jumps as (
    select
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
    select unnest([1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 100.0]) as split
    union all
    select 1 / unnest([2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 100.0]) as split
),

near as (
    select
        jumps.timestamp,
        jumps.asset_id,
        jumps.shares,
        jumps.ratio,
        splits.split
    from jumps
    inner join splits on abs(ln(jumps.ratio / splits.split)) < :at_ratio
),

volumes as (
    select
        timestamp,
        asset_id,
        :volume as shares
    from main.prices
),

usual as (
    select
        near.asset_id,
        near.timestamp,
        avg(volumes.shares) as shares
    from near
    inner join volumes
        on
            near.asset_id = volumes.asset_id
            and near.timestamp > volumes.timestamp
            and near.timestamp <= volumes.timestamp + interval '30 days'
    group by near.asset_id, near.timestamp
)

select
    near.asset_id,
    near.timestamp,
    round(near.ratio, 3) as ratio
from near
left join usual
    on near.asset_id = usual.asset_id and near.timestamp = usual.timestamp
where coalesce(near.shares / near.split < :usual_volume * usual.shares, true)
order by near.asset_id asc, near.timestamp asc
