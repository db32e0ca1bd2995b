-- grain:  one row per bar on which some asset has no volume
-- reads:  stage.timeline
-- params: none
-- Most chunks have none of these: only the others need the volume to be read.
select t
from stage.timeline
where n_halted > 0
order by t asc
