-- grain:  one row, where the first bar of sessions is at their open and none at their close
-- reads:  stage.bar_sessions, stage.sessions
-- params: $least_share, $least_sessions
-- A bar ends after its session opens, and the last one when it closes.
with

sessions as (
    select
        sessions.session,
        min(bars.timestamp) = any_value(sessions.opens)
        and max(bars.timestamp) < any_value(sessions.closes) as is_at_open
    from stage.sessions as sessions
    inner join stage.bar_sessions as bars on sessions.session = bars.session
    where sessions.is_open
    group by sessions.session
)

select
    'timestamp' as column_name,
    count(*) as n_rows,
    avg(is_at_open::integer) as value,
    'the first bar at the open and none at the close of '
    || min(session) filter (where is_at_open) as sample
from sessions
having
    count(*) >= $least_sessions
    and avg(is_at_open::integer) >= $least_share
