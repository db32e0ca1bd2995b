-- grain:  one row per asset and decision bar that could be ranked
-- reads:  :removed
-- params: none
-- By bar, what was held first.
select *
from :removed
order by timestamp asc, reason asc nulls first, score desc nulls last, asset_id asc
