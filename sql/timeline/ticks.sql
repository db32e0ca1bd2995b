-- grain:  one row per bar
-- reads:  stage.timeline
-- params: :unit, :offset
-- Bars as whole ticks since 1970, exact for every timestamp type, and how many seconds the
-- clocks of the zone in force were ahead of UTC.
select
    :unit(timestamp) as tick,
    :offset as utc_offset
from stage.timeline
order by t asc
