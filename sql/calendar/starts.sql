-- grain:  one row per bar
-- reads:  :bar_sessions, :sessions
-- params: $unit, $shift, $n
-- How many sessions of its period are behind it: those with bars, and those of a calendar that
-- had none. The decision is due once n are.
with

bars as (
    select
        t,
        session,
        date_trunc($unit, session + $shift) as period
    from (:bar_sessions) as given
),

known as (
    select
        session,
        date_trunc($unit, session + $shift) as period
    from (:sessions) as given
    union
    select
        session,
        period
    from bars
),

counted as (
    select
        session,
        row_number() over (partition by period order by session asc) - 1 as n_behind
    from known
)

select
    bars.t,
    bars.period,
    counted.n_behind >= $n as is_due,
    counted.n_behind = $n as is_exact,
    false as is_made_up
from bars
inner join counted on bars.session = counted.session
