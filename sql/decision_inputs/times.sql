-- grain:  one row per bar at which something was decided
-- reads:  :decided, stage.timeline
-- params: :target
-- Times of decisions, by the numbers of their bars.
create or replace temp table :target as
select distinct
    timeline.t,
    timeline.timestamp
from :decided as decided
inner join stage.timeline as timeline on decided.timestamp = timeline.timestamp
