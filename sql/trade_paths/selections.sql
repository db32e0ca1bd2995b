-- grain:  one row per selection
-- reads:  selections
-- params: none
-- When an asset was chosen, as which of how many, and by which score.
select
    asset_id,
    timestamp,
    rank,
    score
from main.selections
order by asset_id asc, timestamp asc, rank asc
