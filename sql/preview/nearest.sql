-- grain:  one row
-- reads:  stage.timeline
-- params: :moment
-- The bars before and after a time that is none, for the message.
select
    max(timestamp) filter (where timestamp < :moment)::varchar as before,
    min(timestamp) filter (where timestamp > :moment)::varchar as after
from stage.timeline
