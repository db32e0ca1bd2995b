-- grain:  one row
-- reads:  stage.timeline
-- params: none
-- The first and the last bar, for messages.
select
    min(timestamp)::varchar as first_bar,
    max(timestamp)::varchar as last_bar
from stage.timeline
