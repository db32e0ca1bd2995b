-- grain:  one row per bar
-- reads:  stage.timeline
-- params: :unit
-- Bars as whole ticks since 1970, exact for every timestamp type.
select :unit(timestamp) as tick
from stage.timeline
order by t asc
