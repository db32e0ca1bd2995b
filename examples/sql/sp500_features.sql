-- grain:  one row per (timestamp, asset_id)
-- reads:  raw_prices
-- params: none
-- Prices are made comparable by what one share of the first bar has become: splits count from
-- their day on, so that no later one moves a feature. A range is set back to the shares of its
-- own bar, the unit in which a stop of that bar is quoted.
-- Every window ends at the current row. A window that is not full gives NULL, not a
-- value from fewer bars, so that a young asset is not ranked on a rumour of a trend.
create or replace table features as
with

grown as (
    select
        timestamp,
        asset_id,
        high,
        low,
        close,
        product(split) over (
            partition by asset_id
            order by timestamp asc
            rows between unbounded preceding and current row
        ) as n_shares
    from raw_prices
),

steps as (
    select
        timestamp,
        asset_id,
        n_shares,
        high * n_shares as high,
        low * n_shares as low,
        close * n_shares as close,
        lag(close * n_shares) over by_asset as previous_close,
        lag(close * n_shares, 21) over by_asset as close_1_month_ago,
        lag(close * n_shares, 252) over by_asset as close_12_months_ago
    from grown
    window by_asset as (partition by asset_id order by timestamp asc)
),

ranges as (
    select
        timestamp,
        asset_id,
        n_shares,
        close_1_month_ago / close_12_months_ago - 1 as momentum_12_1,
        -- greatest() skips NULL: unguarded, a first bar's range would have no gap.
        case
            when previous_close is not null
                then greatest(high, previous_close) - least(low, previous_close)
        end as true_range,
        ln(close / previous_close) as log_return
    from steps
),

rolled as (
    select
        timestamp,
        asset_id,
        momentum_12_1,
        case
            when count(true_range) over last_20 = 20
                then avg(true_range) over last_20 / n_shares
        end as atr_20,
        case
            when count(log_return) over last_20 = 20
                then stddev_samp(log_return) over last_20 * sqrt(252)
        end as volatility_20
    from ranges
    window last_20 as (
        partition by asset_id
        order by timestamp asc
        rows between 19 preceding and current row
    )
)

-- Sums over windows differ in the last digits between runs; rounded, ranks do not.
select
    asset_id,
    timestamp,
    round(momentum_12_1, 10) as momentum_12_1,
    round(atr_20, 10) as atr_20,
    round(volatility_20, 10) as volatility_20
from rolled
order by timestamp asc, asset_id asc
