-- grain:  one row per timestamp
-- reads:  raw_vix
-- params: none
-- The index's close is known at the close at which it is used.
create or replace table context as
select
    timestamp,
    close as vix
from raw_vix
order by timestamp asc
