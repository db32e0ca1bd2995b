-- grain:  one row per year
-- reads:  equity, trades, cash_flows, runs
-- params: none
-- The first year is measured against the capital paid in.
with

years as (
    select
        year(timestamp) as calendar_year,
        arg_max(equity, timestamp) as final_equity,
        min(drawdown) as worst_drawdown,
        avg(n_positions) as mean_positions
    from equity
    group by year(timestamp)
),

closed as (
    select
        year(exit_timestamp) as calendar_year,
        count(*) as n_trades
    from trades
    where exit_timestamp is not null
    group by year(exit_timestamp)
),

paid as (
    select
        year(timestamp) as calendar_year,
        sum(amount) as dividends
    from cash_flows
    where kind = 'dividend'
    group by year(timestamp)
)

select
    years.calendar_year,
    years.final_equity,
    years.final_equity / coalesce(
        lag(years.final_equity) over (order by years.calendar_year asc),
        runs.initial_capital
    ) - 1 as yearly_return,
    years.worst_drawdown,
    years.mean_positions,
    coalesce(closed.n_trades, 0) as n_trades,
    coalesce(paid.dividends, 0) as dividends
from years
cross join runs
left join closed on years.calendar_year = closed.calendar_year
left join paid on years.calendar_year = paid.calendar_year
order by years.calendar_year asc
