-- grain:  one row per session between the first bar and the last that has none
-- reads:  stage.sessions, stage.bar_sessions
-- params: none
-- The whole market is missing: a gap of the file, or a day on which the exchange was closed.
with

covered as (
    select
        min(session) as first_session,
        max(session) as last_session
    from stage.bar_sessions
)

select sessions.session
from stage.sessions as sessions
cross join covered
anti join stage.bar_sessions as bars on sessions.session = bars.session
where
    sessions.is_open
    and sessions.session between covered.first_session and covered.last_session
