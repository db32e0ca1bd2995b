-- grain:  one row per bar of $bars
-- reads:  stage.timeline
-- params: :target, $bars
-- Bars that are looked at once more, by number.
create or replace temp table :target as
select
    t,
    timestamp
from stage.timeline
where list_contains($bars, t)
