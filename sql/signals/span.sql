-- grain:  one row
-- reads:  temp.decisions
-- params: none
-- First and last time of the bars at hand.
select
    min(timestamp) as first_timestamp,
    max(timestamp) as last_timestamp
from temp.decisions
