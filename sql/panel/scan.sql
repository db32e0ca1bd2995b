-- grain:  one row per row of :source
-- reads:  :source, stage.timeline, stage.assets
-- params: :n_assets, :flags, :more
-- The one scan of a source: the place of each row on the grid of bars and assets, -1 where it has
-- none, what its checks say of it, and columns to keep.
select
    coalesce(timeline.t::bigint * :n_assets + assets.sid, -1) as __cell,
    (:flags)::utinyint as __flags
    :more
from :source as source
left join stage.timeline as timeline on source.timestamp = timeline.timestamp
left join stage.assets as assets on source.asset_id = assets.asset_id
