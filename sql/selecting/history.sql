-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  main.signals, main.market
-- params: :said, :named, :called
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
    :called.asset_id,
    :called.timestamp as available_at,
    :said as :named
from main.signals as :called
inner join by_bar as market on :called.timestamp = market.__bar
