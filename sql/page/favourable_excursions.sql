-- grain:  one row per trade
-- reads:  trades
-- params: none
-- How far each trade went for its holder, beside what it made; open lots at their mark.
select
    trade_id,
    asset_id,
    mfe,
    "return",
    pnl
from main.trades
order by trade_id asc
