-- grain:  one row per (timestamp, asset_id) that is :chosen
-- reads:  main.signals, main.market
-- params: :signals, :previous, :market, :may_enter, :may_exit, :more, :chosen
-- What a declarative strategy asks of the history, to be read and run by its user. A NaN counts
-- as missing, and the bar before is the asset's own.
with

cleaned as (
    select :signals
    from main.signals
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
        coalesce((:may_exit), false) as may_exit
        :more
    from signals
    inner join market on signals.timestamp = market.timestamp
)

select * from evaluated
where :chosen
order by timestamp asc, asset_id asc
