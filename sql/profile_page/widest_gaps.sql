-- grain:  one row per source and asset, of the 12 assets with the longest gaps
-- reads:  gaps
-- params: none
-- Bars of the market in a row without a row of the asset, the longest of each.
-- The source with the longest stands first.
select
    source,
    coalesce(asset_id, 'market') as asset_id,
    longest_gap,
    n_missing,
    gap_after
from gaps
where longest_gap > 0
qualify
    row_number() over (
        partition by source
        order by longest_gap desc, asset_id asc
    ) <= 12
order by
    max(longest_gap) over (partition by source) desc,
    source asc,
    longest_gap desc,
    asset_id asc
