-- grain:  one row per year with a bar
-- reads:  equity, runs
-- params: none
-- What each calendar year made, by trading dates: equity at its last bar against that at the last
-- bar of the year before, the first year against the initial capital. The compounded product over
-- all years is the total return. NULL from where nothing was left of the account.
with

years as (
    select
        year(session) as year,
        count(*) as n_bars,
        arg_max(equity, timestamp) as final_equity
    from main.equity
    group by year(session)
),

changes as (
    select
        years.year,
        years.n_bars,
        years.final_equity,
        coalesce(
            lag(years.final_equity) over (order by years.year asc),
            runs.initial_capital
        ) as previous
    from years
    cross join main.runs
)

select
    year,
    case when previous > 0 then final_equity / previous - 1 end as "return",
    final_equity,
    n_bars
from changes
order by year asc
