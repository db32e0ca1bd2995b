-- grain:  one row per month
-- reads:  equity, runs
-- params: none
-- The first month is measured against the capital paid in, not against its own first bar.
with

months as (
    select
        date_trunc('month', timestamp)::date as month,
        arg_max(equity, timestamp) as equity,
        min(drawdown) as worst_drawdown
    from equity
    group by date_trunc('month', timestamp)
),

returns as (
    select
        month,
        round(equity, 2) as equity,
        round(
            100 * (
                equity / coalesce(
                    lag(equity) over (order by month asc),
                    (select initial_capital from runs)
                ) - 1
            ),
            2
        ) as return_pct,
        round(100 * worst_drawdown, 2) as worst_drawdown_pct
    from months
)

select * from returns
order by month asc
