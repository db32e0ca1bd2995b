-- grain:  one row per trade: closed lot parts in the order of their exits, then open lots
-- reads:  trades
-- params: none
-- Every trade; exit and bars held are NULL of what is still open, whose P&L is at its mark.
select
    trade_id,
    asset_id,
    case when quantity > 0 then 'long' else 'short' end as side,
    entry_timestamp,
    exit_timestamp,
    exit_rule,
    bars_held,
    pnl,
    "return",
    mae,
    mfe,
    quantity,
    entry_price,
    exit_price
from main.trades
order by trade_id asc
