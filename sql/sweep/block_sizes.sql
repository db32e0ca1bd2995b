-- grain:  one row
-- reads:  :bars
-- params: none
-- How many bars there are, and in which of the blocks.
select
    count(*) as n_bars,
    count(*) filter (where block = 0) as n_before,
    min(timestamp) as first_timestamp,
    max(timestamp) as last_timestamp
from :bars
