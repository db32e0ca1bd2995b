-- grain:  one row per session with a bar
-- reads:  equity, runs
-- params: none
-- What each trading date made: equity at its last bar against that at the last bar of the session
-- before, the first against the initial capital. Of daily bars these are the returns per bar. NULL
-- from where nothing was left of the account.
with

days as (
    select
        session,
        count(*) as n_bars,
        arg_max(equity, timestamp) as final_equity
    from main.equity
    group by session
),

changes as (
    select
        days.session,
        days.n_bars,
        days.final_equity,
        coalesce(
            lag(days.final_equity) over (order by days.session asc),
            runs.initial_capital
        ) as previous
    from days
    cross join main.runs
)

select
    session,
    case when previous > 0 then final_equity / previous - 1 end as "return",
    final_equity,
    n_bars
from changes
order by session asc
