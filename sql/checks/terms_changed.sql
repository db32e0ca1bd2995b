-- grain:  one row per offending row
-- reads:  :source
-- params: :terms
-- Rows of one asset that tell different terms: which of them would count is a matter of chance.
select *
from :source
qualify count(distinct row(:terms)) over (partition by asset_id) > 1
