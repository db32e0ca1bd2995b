-- grain:  one row per row of :decided at a bar of the sources
-- reads:  :decided, stage.timeline, stage.assets
-- params: :target
-- What was decided, by the numbers of bars and assets; an asset needs no price there.
create or replace temp table :target as
select
    timeline.t,
    assets.sid,
    decided.timestamp
from :decided as decided
inner join stage.timeline as timeline on decided.timestamp = timeline.timestamp
inner join stage.assets as assets on decided.asset_id = assets.asset_id
