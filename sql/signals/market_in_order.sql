-- grain:  one row per timestamp
-- reads:  main.market
-- params: :columns
-- The market-wide values beside the bars that a loop written by hand walks.
select :columns
from main.market
order by timestamp asc
