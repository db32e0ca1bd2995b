-- grain:  one row per (timestamp, asset_id)
-- reads:  raw_prices
-- params: none
-- What the model is shown. Prices are made comparable by the splits up to their own day, and
-- volume counts in dollars, which no split changes; every window ends at the current row. A
-- window that is not full gives NULL.
create or replace table inputs as
with

grown as (
    select
        timestamp,
        asset_id,
        (high - low) / close as price_range,
        -- A day without volume has no logarithm and no price impact: it is missing.
        nullif(close * volume, 0) as dollars,
        close * product(split) over (
            partition by asset_id
            order by timestamp asc
            rows between unbounded preceding and current row
        ) as close
    from raw_prices
),

steps as (
    select
        timestamp,
        asset_id,
        price_range,
        dollars,
        close,
        ln(close / lag(close) over by_asset) as log_return,
        lag(close, 5) over by_asset as close_1_week_ago,
        lag(close, 21) over by_asset as close_1_month_ago,
        lag(close, 126) over by_asset as close_6_months_ago,
        lag(close, 252) over by_asset as close_12_months_ago,
        row_number() over by_asset as n_bars
    from grown
    window by_asset as (partition by asset_id order by timestamp asc)
),

rolled as (
    select
        timestamp,
        asset_id,
        close_1_month_ago / close_12_months_ago - 1 as momentum_12_1,
        close_1_month_ago / close_6_months_ago - 1 as momentum_6_1,
        close / close_1_month_ago - 1 as return_1_month,
        close / close_1_week_ago - 1 as return_1_week,
        stddev_samp(log_return) over month as volatility,
        stddev_samp(log_return) over month
        / nullif(stddev_samp(log_return) over half_year, 0) as volatility_trend,
        avg(price_range) over month as price_range,
        max(log_return) over month as best_day,
        close / max(close) over twelve_months as below_high,
        ln(avg(dollars) over month / avg(dollars) over half_year) as volume_trend,
        ln(avg(dollars) over week / avg(dollars) over month) as volume_shock,
        ln(nullif(avg(abs(log_return) / dollars) over month, 0)) as illiquidity
    from steps
    window
        week as (
            partition by asset_id
            order by timestamp asc
            rows between 4 preceding and current row
        ),
        month as (
            partition by asset_id
            order by timestamp asc
            rows between 20 preceding and current row
        ),
        half_year as (
            partition by asset_id
            order by timestamp asc
            rows between 125 preceding and current row
        ),
        twelve_months as (
            partition by asset_id
            order by timestamp asc
            rows between 251 preceding and current row
        )
    -- After a year every window above is full.
    qualify n_bars > 252
)

-- Sums over windows differ in the last digits between runs; rounded, ranks do not.
select
    timestamp,
    asset_id,
    round(columns(* exclude (timestamp, asset_id)), 10)
from rolled
order by timestamp asc, asset_id asc
