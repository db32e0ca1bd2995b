-- grain:  one row where the bar exists
-- reads:  stage.timeline
-- params: :moment
-- The number of a bar.
select t
from stage.timeline
where timestamp = :moment
