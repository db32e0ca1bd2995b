-- grain:  one row
-- reads:  stage.sessions, stage.bar_sessions
-- params: none
-- Sessions of a year as the calendar has them, and bars of a session. The first and the last
-- session of the bars may be cut. Bars of fewer than three sessions in four, as those of weeks are,
-- have their share of a bar in each.
with

open_sessions as (
    select session
    from stage.sessions
    where is_open
),

calendar as (
    select
        case
            when max(session) - min(session) >= 90
                then (count(*) - 1) / ((max(session) - min(session)) / 365.25)
        end as sessions_per_year
    from open_sessions
),

filled as (
    select
        session,
        count(*) as n_bars,
        row_number() over (order by session asc) as place,
        count(*) over () as n_filled
    from stage.bar_sessions
    group by session
),

bars as (
    select
        min(session) as first_session,
        max(session) as last_session,
        count(*) as n_filled,
        coalesce(
            avg(n_bars) filter (where place > 1 and place < n_filled), max(n_bars)
        ) as whole_session
    from filled
),

spanned as (
    select
        bars.n_filled,
        bars.whole_session,
        count(*) as n_sessions
    from bars
    inner join open_sessions
        on open_sessions.session between bars.first_session and bars.last_session
    group by all
)

select
    calendar.sessions_per_year::double as sessions_per_year,
    spanned.whole_session
    * case
        when spanned.n_filled >= 0.75 * spanned.n_sessions then 1.0
        else (spanned.n_filled - 1) / (spanned.n_sessions - 1)
    end as bars_per_session
from calendar
cross join spanned
