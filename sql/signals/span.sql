-- grain:  one row
-- reads:  :times
-- params: none
-- First and last time of the bars at hand, as text: exact for every timestamp type.
select
    min(timestamp)::varchar as first_timestamp,
    max(timestamp)::varchar as last_timestamp
from :times
