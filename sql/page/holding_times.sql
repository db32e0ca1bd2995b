-- grain:  one row per closed trade
-- reads:  trades
-- params: none
-- For how long each trade was held, beside what it made.
select
    trade_id,
    asset_id,
    bars_held,
    "return",
    pnl
from main.trades
where exit_timestamp is not null
order by trade_id asc
