-- grain:  one row per bar
-- reads:  stage.timeline
-- params: none
-- Without a calendar a session is the day of the bar.
select
    t,
    timestamp,
    timestamp::date as session
from stage.timeline
