-- grain:  one row per (t, sid) with a row that became known exactly at that bar
-- reads:  :known, stage.assets, :times
-- params: :target, :columns
-- Most features sit exactly on a bar: two joins on small tables answer for them, and only
-- the bars left over need an as-of join (30 times slower).
create or replace temp table :target as
select
    times.t,
    assets.sid,
    :columns
from :known as known
inner join :times as times on known.available_at = times.timestamp
inner join stage.assets as assets on known.asset_id = assets.asset_id
