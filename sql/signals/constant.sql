-- grain:  one row per (t, sid) of :bars that has a row in :known
-- reads:  :known, stage.assets, :bars
-- params: :target, :columns
-- What is the same at every bar of an asset, such as its sector.
create or replace temp table :target as
select
    bars.t,
    bars.sid,
    :columns
from :bars as bars
inner join stage.assets as assets on bars.sid = assets.sid
inner join :known as known on assets.asset_id = known.asset_id
