-- grain:  one row, where bars stand at the opens of sessions and none at their closes
-- reads:  stage.timeline, stage.sessions
-- params: $least_share, $least_sessions
-- A bar ends after its session opens, and the last one when it closes.
with

sessions as (
    select
        sessions.session,
        count(*) filter (where bars.timestamp = sessions.opens) > 0 as is_at_open,
        count(*) filter (where bars.timestamp = sessions.closes) > 0 as is_at_close
    from stage.sessions as sessions
    inner join stage.timeline as bars
        on
            sessions.opens <= bars.timestamp
            and sessions.closes >= bars.timestamp
    where sessions.is_open
    group by sessions.session
)

select
    'timestamp' as column_name,
    count(*) as n_rows,
    avg((is_at_open and not is_at_close)::integer) as value,
    'a bar at the open and none at the close of '
    || min(session) filter (where is_at_open and not is_at_close) as sample
from sessions
having
    count(*) >= $least_sessions
    and avg((is_at_open and not is_at_close)::integer) >= $least_share
