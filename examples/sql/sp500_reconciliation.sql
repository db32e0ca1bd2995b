-- grain:  one row
-- reads:  trades, cash_flows, equity, positions
-- params: none
-- The capital paid in, dividends and what trades made are the final equity; a flow that is in
-- trades (cash in lieu, a delisting) counts once. Both gaps are in account currency and must
-- stay below a cent.
with

held as (
    select
        timestamp,
        sum(value) as held_value
    from positions
    group by timestamp
),

bars as (
    select
        arg_max(equity.equity, equity.timestamp) as final_equity,
        max(abs(equity.equity - equity.cash - coalesce(held.held_value, 0)))
            as worst_bar_gap,
        count(*) as n_bars
    from equity
    left join held on equity.timestamp = held.timestamp
),

made as (
    select coalesce(sum(pnl), 0) as pnl
    from trades
),

flowed as (
    select sum(amount) as amount
    from cash_flows
    where not in_trades
)

select
    flowed.amount + made.pnl - bars.final_equity as pnl_gap,
    bars.worst_bar_gap,
    bars.n_bars
from flowed
cross join made
cross join bars
