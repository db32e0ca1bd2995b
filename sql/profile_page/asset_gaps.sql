-- grain:  one row per source and asset
-- reads:  gaps
-- params: none
-- Bars of the market from the first row of an asset to its last, and those without one.
select
    source,
    coalesce(asset_id, 'market') as asset_id,
    first_bar,
    last_bar,
    n_bars,
    n_missing,
    n_gaps,
    longest_gap,
    gap_after
from gaps
order by n_missing desc, source asc, asset_id asc
