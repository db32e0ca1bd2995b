-- grain:  one row per bar of a schedule
-- reads:  timeline, the step before
-- params: :schedule
-- A bar is its time, t, where an engine has no numbers of bars.
select
    timestamp as t,
    timestamp
from timeline
where :schedule
