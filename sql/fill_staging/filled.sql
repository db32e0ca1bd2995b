-- grain:  one row per fill
-- reads:  :fills, :orders, :bars, :since, :actions
-- params: :target, $whole
-- Each fill with its order and its bar. The gross price is the one before slippage and impact. The
-- prices of an order are those of its end: they are those of the fill where it ended the order,
-- since splits and dividends move them, and so may a strategy.
create or replace temp table :target as
with

numbered as (
    select
        fill_id,
        row_number() over (
            partition by order_id
            order by fill_id desc
        ) = 1 as is_last
    from :fills
),

renamed as (
    select distinct asset_id
    from :actions
    where kind = 'rename'
)

select
    fills.fill_id,
    fills.order_id,
    fills.timestamp,
    fills.asset_id,
    fills.quantity,
    fills.price,
    fills.value,
    fills.slippage,
    fills.volume,
    abs(fills.value / fills.price) as units,
    fills.price
    - sign(fills.quantity) * (fills.slippage + fills.impact)
    / nullif(abs(fills.value / fills.price), 0) as gross,
    orders.order_id is not null as has_order,
    orders.asset_id as order_asset_id,
    orders.created_at,
    orders.order_type,
    orders.limit_price,
    orders.stop_price,
    orders.tag,
    renamed.asset_id is not null as is_renamed,
    numbered.is_last
    and abs(orders.filled_quantity)
    >= abs(orders.quantity) * (1 - $whole) as has_ended_order,
    bars.fill_id is not null as has_bar,
    bars.bar_open,
    bars.bar_close,
    bars.bar_average,
    bars.bar_volume,
    coalesce(bars.bar_low, least(bars.bar_open, bars.bar_close)) as lowest,
    coalesce(bars.bar_high, greatest(bars.bar_open, bars.bar_close)) as highest,
    since.low_since,
    since.high_since
from :fills as fills
inner join numbered on fills.fill_id = numbered.fill_id
left join :orders as orders on fills.order_id = orders.order_id
left join renamed on fills.asset_id = renamed.asset_id
left join :bars as bars on fills.fill_id = bars.fill_id
left join :since as since on fills.fill_id = since.fill_id
