-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- A to B and B to C (or to A) on one day: whether A becomes B or C depends on which comes first.
select source.*
from :source as source
semi join :source as others
    on
        source.kind = 'rename'
        and others.kind = 'rename'
        and source.ex_date = others.ex_date
        and source.new_asset_id = others.asset_id
        and source.asset_id <> source.new_asset_id
