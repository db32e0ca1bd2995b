-- grain:  one row per bar
-- reads:  stage.bar_sessions, stage.sessions
-- params: $unit, $shift, $n, :has_hours
-- How many sessions of its period are still to come, as far as that was known at the bar: what was
-- announced later counts as planned until then. The decision is due once n or fewer are, at the
-- close of that session: with intraday bars at the bar that ends at it.
with

bars as (
    select
        bars.t,
        bars.timestamp,
        bars.session,
        date_trunc($unit, bars.session + $shift) as period,
        not :has_hours or coalesce(bars.timestamp >= sessions.closes, false) as is_over
    from stage.bar_sessions as bars
    left join stage.sessions as sessions
        on
            bars.session = sessions.session
            and sessions.is_open
),

planned as (
    select
        session,
        is_open,
        known_at,
        date_trunc($unit, session + $shift) as period
    from stage.sessions
),

-- Per session, for there are many bars in one.
days as (
    select distinct
        session,
        period
    from bars
),

ahead as (
    select
        days.session,
        count(planned.session) as n_ahead
    from days
    left join planned
        on
            days.period = planned.period
            and days.session < planned.session
            and planned.is_open
            and planned.known_at is null
    group by days.session
),

-- The few that were announced: a session since then, a closure until then.
announced as (
    select
        bars.t,
        count(*) as n_announced
    from bars
    inner join planned
        on
            bars.period = planned.period
            and bars.session < planned.session
            and planned.known_at is not null
            and (bars.timestamp >= planned.known_at) = planned.is_open
    group by bars.t
),

counted as (
    select
        bars.t,
        bars.period,
        bars.is_over,
        ahead.n_ahead + coalesce(announced.n_announced, 0) as n_left
    from bars
    inner join ahead on bars.session = ahead.session
    left join announced on bars.t = announced.t
)

select
    t,
    period,
    n_left < $n or (n_left = $n and is_over) as is_due,
    n_left = $n and is_over as is_exact,
    true as is_made_up
from counted
