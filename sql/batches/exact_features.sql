-- grain:  one row per (t, sid) with a row that became known exactly at that bar
-- reads:  :known, stage.timeline, stage.assets
-- params: :columns, :first, :last
-- What most rules read at most bars, straight into dense arrays; bars that find no row here
-- are answered by the as-of join.
select
    timeline.t,
    assets.sid,
    :columns
from :known as known
inner join stage.timeline as timeline on known.available_at = timeline.timestamp
inner join stage.assets as assets on known.asset_id = assets.asset_id
where known.available_at between :first and :last
