-- grain:  one row per bar
-- reads:  temp.market
-- params: :columns
-- Market-wide values that the loop reads, by bar.
select :columns
from temp.market
order by t asc
