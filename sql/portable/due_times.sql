-- grain:  one row per bar of $bars
-- reads:  stage.timeline
-- params: :item, $bars
-- Their times as text, exact for every type.
select :item as moment
from stage.timeline
where list_contains($bars::integer[], t)
order by t asc
