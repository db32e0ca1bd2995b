-- grain:  one row per month with a bar
-- reads:  equity, fills, cash_flows
-- params: none
-- Turnover and what trading cost, by the trading date of the fill or of the fee. turnover is
-- the value of all fills, both sides, over the mean equity of the month: of one month, not
-- annual (pyfolio 0.10.1 has it per day, by default over the value of the positions).
-- costs = commission + tax + fee + slippage + impact + borrow, account currency, positive;
-- cost_drag is them over the mean equity: what the month's return lost by them. NULL where mean equity is not above 0.
with

months as (
    select
        date_trunc('month', session)::date as month,
        avg(equity order by timestamp) as mean_equity
    from main.equity
    group by date_trunc('month', session)
),

filled as (
    select
        date_trunc('month', equity.session)::date as month,
        count(*) as n_fills,
        sum(abs(fills.value) order by fills.fill_id) as traded_value,
        sum(fills.commission order by fills.fill_id) as commission,
        sum(fills.tax order by fills.fill_id) as tax,
        sum(fills.fee order by fills.fill_id) as fee,
        sum(fills.slippage order by fills.fill_id) as slippage,
        sum(fills.impact order by fills.fill_id) as impact
    from main.fills
    inner join main.equity on fills.timestamp = equity.timestamp
    group by date_trunc('month', equity.session)
),

lent as (
    select
        date_trunc('month', equity.session)::date as month,
        -sum(
            cash_flows.amount
            order by cash_flows.timestamp, cash_flows.asset_id, cash_flows.amount
        ) as borrow
    from main.cash_flows
    inner join main.equity on cash_flows.timestamp = equity.timestamp
    where cash_flows.kind = 'borrow'
    group by date_trunc('month', equity.session)
),

traded as (
    select
        months.month,
        months.mean_equity,
        coalesce(filled.n_fills, 0) as n_fills,
        coalesce(filled.traded_value, 0) as traded_value,
        coalesce(filled.commission, 0) as commission,
        coalesce(filled.tax, 0) as tax,
        coalesce(filled.fee, 0) as fee,
        coalesce(filled.slippage, 0) as slippage,
        coalesce(filled.impact, 0) as impact,
        coalesce(lent.borrow, 0) as borrow
    from months
    left join filled on months.month = filled.month
    left join lent on months.month = lent.month
)

select
    *,
    commission + tax + fee + slippage + impact + borrow as costs,
    case when mean_equity > 0 then traded_value / mean_equity end as turnover,
    case
        when mean_equity > 0
            then (commission + tax + fee + slippage + impact + borrow) / mean_equity
    end as cost_drag
from traded
order by month asc
