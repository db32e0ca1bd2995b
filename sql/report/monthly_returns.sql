-- grain:  one row per month with a bar
-- reads:  equity, runs
-- params: none
-- What each calendar month made, by trading dates: equity at its last bar against that at the last
-- bar of the month before, the first month against the initial capital. The compounded product over
-- all months is the total return. NULL from where nothing was left of the account.
with

months as (
    select
        date_trunc('month', session)::date as month,
        count(*) as n_bars,
        arg_max(equity, timestamp) as final_equity
    from main.equity
    group by date_trunc('month', session)
),

changes as (
    select
        months.month,
        months.n_bars,
        months.final_equity,
        coalesce(
            lag(months.final_equity) over (order by months.month asc),
            runs.initial_capital
        ) as previous
    from months
    cross join main.runs
)

select
    month,
    case when previous > 0 then final_equity / previous - 1 end as "return",
    final_equity,
    n_bars
from changes
order by month asc
