-- grain:  one row per (t, sid) with a bar at one of the times
-- reads:  :known, stage.assets, :times
-- params: :target, :columns
-- The rows that can be ranked, of a source that has a row at each bar and none between: prices are
-- not read for them, and nothing is joined.
create or replace temp table :target as
select
    times.t,
    assets.sid,
    times.timestamp
    :columns
from :known as known
inner join :times as times on known.available_at = times.timestamp
inner join stage.assets as assets on known.asset_id = assets.asset_id
