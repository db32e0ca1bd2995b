-- grain:  one row
-- reads:  equity, fills, orders, cash_flows, report.calendar
-- params: none
-- Turnover counts both sides, as MaxTurnover does: the value of all fills over mean equity, per
-- year of so many bars. Exposure is the mean of gross (net) exposure over equity, at the bars at
-- which there was equity. Costs are positive, dividends and interest positive where received.
with

account as (
    select
        avg(equity) as mean_equity,
        avg(gross_exposure / equity) filter (where equity > 0) as exposure,
        avg(net_exposure / equity) filter (where equity > 0) as net_exposure,
        avg(n_positions) as mean_positions,
        (count(*) - 1) / (select bars_per_year from report.calendar) as years
    from main.equity
),

traded as (
    select
        count(*) as n_fills,
        coalesce(sum(abs(value)), 0) as value,
        coalesce(sum(commission), 0) as commission,
        coalesce(sum(tax), 0) as tax,
        coalesce(sum(fee), 0) as fee,
        coalesce(sum(slippage), 0) as slippage,
        coalesce(sum(impact), 0) as impact
    from main.fills
),

ordered as (
    select
        count(*) as n_orders,
        count(*) filter (where status = 'partial') as n_partial,
        count(*) filter (where status not in ('filled', 'partial')) as n_unfilled,
        count(*) filter (
            where status = 'filled' and filled_quantity <> quantity
        ) as n_trimmed
    from main.orders
),

flows as (
    select
        coalesce(-sum(amount) filter (where kind = 'borrow'), 0) as borrow,
        coalesce(sum(amount) filter (where kind = 'dividend'), 0) as dividends,
        coalesce(sum(amount) filter (where kind = 'interest'), 0) as interest
    from main.cash_flows
)

select
    case
        when account.years > 0 and account.mean_equity > 0
            then traded.value / account.mean_equity / account.years
    end as turnover,
    account.exposure,
    account.net_exposure,
    account.mean_positions,
    ordered.n_orders,
    ordered.n_trimmed,
    ordered.n_partial,
    ordered.n_unfilled,
    traded.n_fills,
    traded.commission,
    traded.tax,
    traded.fee,
    traded.slippage,
    traded.impact,
    flows.borrow,
    traded.commission + traded.tax + traded.fee + traded.slippage + traded.impact
    + flows.borrow as costs,
    flows.dividends,
    flows.interest
from account
cross join traded
cross join ordered
cross join flows
