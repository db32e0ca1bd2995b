-- grain:  described only, never run
-- reads:  main.signals, main.market
-- params: :condition
-- What type a condition has, before any row is read.
with

-- The bare columns: a condition that names the time means that of signals.
market_row as (
    select
        0 as t,
        * exclude (timestamp)
    from main.market
)

select (:condition) as holds
from main.signals as signals
cross join market_row as market
