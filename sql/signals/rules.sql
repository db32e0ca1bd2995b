-- grain:  one row per (timestamp, asset_id) that is :chosen
-- reads:  main.signals, main.market
-- params: :previous, :may_enter, :may_exit, :more, :chosen
-- What a declarative strategy asks of the history, to be read and run by its user. The bar
-- before is the asset's own.
with

signals as (
    select
        signals.*
        :previous
    from main.signals as signals
),

-- The bare columns, so that a rule that names the time means that of signals.
market as (
    select
        timestamp as __timestamp,
        * exclude (timestamp)
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
    inner join market on signals.timestamp = market.__timestamp
)

select * from evaluated
where :chosen
order by timestamp asc, asset_id asc
