-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Of what was told of one membership the last counts, which of these cannot say. Intervals of
-- other starts may overlap.
select *
from :source
qualify
    count(*) over (partition by asset_id, start_date, available_at) > 1
