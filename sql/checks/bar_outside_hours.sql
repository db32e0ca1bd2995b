-- grain:  one row per timestamp of intraday bars outside the hours of its day
-- reads:  stage.bar_sessions, stage.sessions
-- params: none
-- A bar ends after its session opens and not after it closes. Hours before and after the main
-- session are real; an early close that is missed, another zone or bars stamped at their open are
-- not.
select
    bars.timestamp,
    sessions.session,
    sessions.opens,
    sessions.closes
from stage.bar_sessions as bars
inner join stage.sessions as sessions on bars.session = sessions.session
where
    sessions.is_open
    and bars.is_intraday
    and (bars.timestamp <= sessions.opens or bars.timestamp > sessions.closes)
