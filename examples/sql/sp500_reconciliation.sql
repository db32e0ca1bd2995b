-- grain:  one row
-- reads:  runs, trades, equity, positions
-- params: none
-- Both gaps are in account currency and must stay below a cent.
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
    select sum(pnl) as pnl
    from trades
)

select
    runs.initial_capital + made.pnl - bars.final_equity as pnl_gap,
    bars.worst_bar_gap,
    bars.n_bars
from runs
cross join made
cross join bars
