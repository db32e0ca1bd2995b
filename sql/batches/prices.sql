-- grain:  one row per (t, sid) with a bar in the chunk
-- reads:  main.prices, stage.timeline, stage.assets
-- params: :columns, :first, :last
-- The price columns that the loop reads, ready to be scattered into dense arrays. The range is
-- written as literals on the file's own column, so that DuckDB skips row groups.
select
    timeline.t,
    assets.sid,
    :columns
from main.prices as prices
inner join stage.timeline as timeline on prices.timestamp = timeline.timestamp
inner join stage.assets as assets on prices.asset_id = assets.asset_id
where prices.timestamp between :first and :last
