-- grain:  one row per bar of $bars
-- reads:  stage.timeline
-- params: $bars
-- The times of some bars as text, exact for every timestamp type.
select
    t,
    timestamp::varchar as time_text
from stage.timeline
where list_contains($bars, t)
