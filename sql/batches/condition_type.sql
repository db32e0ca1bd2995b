-- grain:  described only, never run
-- reads:  main.signals, main.market
-- params: :condition, :previous
-- What type a condition has, before any row is read.
with

-- The bare columns: a condition that names the time means that of signals.
market_row as (
    select
        0 as t,
        * exclude (timestamp)
    from main.market
),

signals as (
    select
        *
        :previous
    from main.signals
)

select (:condition) as holds
from signals
cross join market_row as market
