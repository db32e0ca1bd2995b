-- grain:  one row per decision bar, asset and horizon with a forward return
-- reads:  :pairs, stage.timeline, stage.assets
-- params: :target
-- What all figures are made of.
create or replace temp view :target as
select
    timeline.timestamp,
    assets.asset_id,
    pairs.horizon,
    pairs.factor,
    pairs.quantile,
    pairs.group_name,
    pairs.forward_return
from :pairs as pairs
inner join stage.timeline as timeline on pairs.t = timeline.t
inner join stage.assets as assets on pairs.sid = assets.sid
