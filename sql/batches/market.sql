-- grain:  one row per bar
-- reads:  :market
-- params: :columns
-- Market-wide values that the loop reads, by bar.
select :columns
from :market
order by t asc
