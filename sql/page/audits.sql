-- grain:  one row per check of the tables
-- reads:  equity, positions, fills, orders, cash_flows, trades, runs
-- params: none
-- Whether the tables of the run agree with each other: the largest gap in account currency, or how
-- many rows are wrong, and whether that is none but for the last digits of the largest sum.
-- Dividends due after the last bar are in trades and not in cash yet.
with

scales as (
    select
        greatest(
            max(runs.initial_capital),
            max(abs(equity.equity)),
            max(equity.gross_exposure)
        ) as scale
    from main.equity
    cross join main.runs
),

held as (
    select
        timestamp,
        sum(value) as value
    from main.positions
    group by timestamp
),

filled as (
    select
        timestamp,
        sum(-value - commission - coalesce(tax, 0) - coalesce(fee, 0)) as amount
    from main.fills
    group by timestamp
),

flowed as (
    select
        timestamp,
        sum(amount) as amount
    from main.cash_flows
    group by timestamp
),

bars as (
    select
        abs(equity.equity - equity.cash - coalesce(held.value, 0)) as equity_gap,
        abs(
            equity.cash - sum(coalesce(filled.amount, 0) + coalesce(flowed.amount, 0))
                over (order by equity.timestamp asc)
        ) as cash_gap
    from main.equity
    left join held on equity.timestamp = held.timestamp
    left join filled on equity.timestamp = filled.timestamp
    left join flowed on equity.timestamp = flowed.timestamp
),

lots as (
    select
        coalesce(sum(pnl), 0) as pnl,
        coalesce(sum(dividends), 0) as dividends
    from main.trades
),

flows as (
    select
        coalesce(sum(amount) filter (where not in_trades), 0) as outside,
        coalesce(sum(amount) filter (where kind = 'dividend'), 0) as dividends
    from main.cash_flows
),

finals as (
    select arg_max(equity, timestamp) as final_value
    from main.equity
),

gaps as (
    select
        1 as place,
        'Equity is cash plus the value of all positions, at every bar' as audit,
        max(equity_gap) as gap
    from bars
    union all
    select
        2 as place,
        'Cash moves by fills and cash flows alone, at every bar' as audit,
        max(cash_gap) as gap
    from bars
    union all
    select
        3 as place,
        'P&L of all trades and what flowed outside of them make the final value'
            as audit,
        abs(
            lots.pnl + flows.outside - lots.dividends + flows.dividends
            - finals.final_value
        ) as gap
    from lots
    cross join flows
    cross join finals
    union all
    select
        4 as place,
        'No fill comes before the bar at which its order was decided' as audit,
        count(*)::double as gap
    from main.fills
    inner join main.orders on fills.order_id = orders.order_id
    where fills.timestamp < orders.created_at
)

select
    gaps.audit,
    gaps.gap,
    round(gaps.gap / scales.scale, 8) = 0 as holds
from gaps
cross join scales
order by gaps.place asc
