-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  main.signals, main.market
-- params: :said, :named
-- What a window over the bars of each asset says at each of them, whatever a filter leaves of them.
with

-- Under another name, so that a window may say timestamp without a table.
by_bar as (
    select
        * exclude (timestamp),
        timestamp as __bar
    from main.market
)

select
    signals.asset_id,
    signals.timestamp as available_at,
    :said as :named
from main.signals as signals
inner join by_bar as market on signals.timestamp = market.__bar
