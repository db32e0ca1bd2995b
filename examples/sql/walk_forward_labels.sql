-- grain:  one row per (timestamp, asset_id)
-- reads:  raw_prices
-- params: $horizon bars
-- What the model is to foretell: the return with dividends over $horizon bars from the next
-- bar on, the first that may act on a score (see walk_forward_scores). This is the one file
-- that looks ahead; label_end_bar says how far, and purging goes by it. A stock that misses a
-- bar in between has no label, so that all labels of a timestamp end on one bar.
create or replace table labels as
with

days as (
    select
        timestamp,
        asset_id,
        dense_rank() over (order by timestamp asc) as bar,
        -- The vendor's dividends are per share after a split of the same day.
        split * (close + dividend) / lag(close) over by_asset as growth
    from raw_prices
    window by_asset as (partition by asset_id order by timestamp asc)
),

grown as (
    select
        timestamp,
        asset_id,
        bar,
        product(coalesce(growth, 1)) over (
            partition by asset_id
            order by timestamp asc
            rows between unbounded preceding and current row
        ) as wealth
    from days
),

ahead as (
    select
        timestamp,
        asset_id,
        bar,
        lead(wealth, $horizon + 1) over by_asset / lead(wealth) over by_asset - 1
            as forward_return,
        lead(bar) over by_asset as label_start_bar,
        lead(bar, $horizon + 1) over by_asset as label_end_bar,
        lead(timestamp, $horizon + 1) over by_asset as label_end
    from grown
    window by_asset as (partition by asset_id order by timestamp asc)
),

labels as (
    select
        timestamp,
        asset_id,
        bar,
        round(forward_return, 10) as forward_return,
        label_end,
        label_end_bar
    from ahead
    where label_start_bar = bar + 1 and label_end_bar = bar + 1 + $horizon
)

-- A row without a label keeps its bar: years begin where bars do, not where labels do.
select
    ahead.timestamp,
    ahead.asset_id,
    ahead.bar,
    labels.forward_return,
    labels.label_end,
    labels.label_end_bar
from ahead
left join labels
    on
        ahead.timestamp = labels.timestamp
        and ahead.asset_id = labels.asset_id
order by ahead.timestamp asc, ahead.asset_id asc
