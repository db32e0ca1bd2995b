-- grain:  one row
-- reads:  :source, stage.timeline, stage.assets
-- params: :n_assets, :last_cell
-- Looks for bad keys in one scan. Keys on the run's own grid are counted in a bitmap, 5 to 10
-- times faster than grouping by them; keys off the grid are only counted, the check itself
-- answers for those.
with

cells as (
    select
        source.timestamp is null as is_timeless,
        (timeline.t::bigint * :n_assets + assets.sid) as cell
    from :source as source
    left join stage.timeline as timeline on source.timestamp = timeline.timestamp
    left join stage.assets as assets on source.asset_id = assets.asset_id
)

select
    count(*) as n_rows,
    count(*) filter (where is_timeless) as n_timeless,
    count(cell) as n_on_grid,
    bit_count(bitstring_agg(cell, 0, :last_cell)) as n_distinct
from cells
