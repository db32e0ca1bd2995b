-- grain:  one row per month
-- reads:  equity, runs
-- params: none
-- The first month is measured against the capital paid in, not its own first bar.
with

months as (
    select
        date_trunc('month', timestamp)::date as first_day,
        arg_max(equity, timestamp) as final_equity,
        min(drawdown) as worst_drawdown
    from equity
    group by date_trunc('month', timestamp)
),

returns as (
    select
        months.first_day as from_day,
        round(months.final_equity, 2) as final_equity,
        round(100 * months.worst_drawdown, 2) as worst_drawdown_pct,
        round(
            100 * months.final_equity / coalesce(
                lag(months.final_equity) over (order by months.first_day asc),
                runs.initial_capital
            ) - 100,
            2
        ) as return_pct
    from months
    cross join runs
)

select * from returns
order by from_day asc
