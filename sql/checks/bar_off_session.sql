-- grain:  one row per day with bars that is no session
-- reads:  :source, stage.bar_sessions, stage.sessions
-- params: none
-- Calendars err: a Saturday with a session, a short one on a day of mourning. Of days before its
-- first and after its last the calendar says nothing.
with

sessions as (
    select session
    from stage.sessions
    where is_open
),

covered as (
    select
        min(session) as first_session,
        max(session) as last_session
    from stage.sessions
)

select distinct bars.session
from stage.bar_sessions as bars
cross join covered
anti join sessions on bars.session = sessions.session
where bars.session between covered.first_session and covered.last_session
