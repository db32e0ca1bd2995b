-- grain:  one row per session with bars of the run of which the close is not known
-- reads:  stage.sessions, stage.bar_sessions
-- params: $begin_t, $end_t
-- Of an extra day with bars nothing is known: it ends no period by itself.
select sessions.session
from stage.sessions as sessions
semi join stage.bar_sessions as bars
    on
        sessions.session = bars.session
        and bars.t between $begin_t and coalesce($end_t, bars.t)
where
    sessions.is_open
    and sessions.closes is null
order by sessions.session asc
