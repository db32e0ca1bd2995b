-- grain:  one row per asset with a bar at :moment
-- reads:  main.signals, main.market
-- params: :signals, :previous, :market, :may_enter, :may_exit, :reason, :moment
-- What declarative rules say of every asset at one bar, and the first entry rule that says no.
-- The bar before is found before the bar is picked.
with

cleaned as (
    select :signals
    from main.signals
    where timestamp <= :moment
),

signals as (
    select
        signals.*
        :previous
    from cleaned as signals
),

market as (
    select :market
    from main.market
),

evaluated as (
    select
        signals.timestamp,
        signals.asset_id,
        coalesce((:may_enter), false) as may_enter,
        coalesce((:may_exit), false) as may_exit,
        :reason as reason
    from signals
    inner join market on signals.timestamp = market.timestamp
    where signals.timestamp = :moment
)

select * from evaluated
order by asset_id asc
