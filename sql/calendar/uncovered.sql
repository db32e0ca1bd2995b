-- grain:  one row per period of bars of the run of which the calendar does not know every day
-- reads:  stage.bar_sessions, stage.sessions
-- params: $unit, $shift, $begin_t, $end_t
-- Which session is the last of a period is known where the calendar goes on until its end. Days of
-- the week on which it never has a session may be missing there.
with

known as (
    select
        min(session) as first_session,
        max(session) as last_session,
        list(distinct isodow(session)) filter (where is_open) as weekdays
    from stage.sessions
),

periods as (
    select
        date_trunc($unit, session + $shift) as period,
        min(timestamp) as first_bar,
        max(timestamp) as last_bar
    from stage.bar_sessions
    where t between $begin_t and coalesce($end_t, t)
    group by period
),

bounds as (
    select
        first_bar,
        last_bar,
        (period - $shift * interval 1 day)::date as begins,
        (
            period
            + case $unit
                when 'week' then interval 7 day
                when 'month' then interval 1 month
                when 'quarter' then interval 3 month
                when 'year' then interval 1 year
                else interval 1 day
            end
            - ($shift + 1) * interval 1 day
        )::date as ends
    from periods
)

select
    bounds.first_bar,
    bounds.last_bar,
    known.first_session,
    known.last_session
from bounds
cross join known
where
    bounds.ends < known.first_session
    or exists (
        select 1
        from
            range(known.last_session + 1, bounds.ends + 1, interval 1 day) as days (day)
        where isodow(days.day) in (select unnest(known.weekdays))
    )
order by bounds.first_bar asc
