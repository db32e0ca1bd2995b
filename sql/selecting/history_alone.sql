-- grain:  one row per (timestamp, asset_id)
-- reads:  :signals, :market
-- params: :said, :called, :signals, :market
-- The same as a query by itself, of which it is proved that it reads no later bar.
with

-- Under another name, so that a window may say timestamp without a table.
by_bar as (
    select
        * exclude (timestamp),
        timestamp as __bar
    from :market
)

select
    :called.timestamp,
    :said as history
from :signals as :called
inner join by_bar as market on :called.timestamp = market.__bar
