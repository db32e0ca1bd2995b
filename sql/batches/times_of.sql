-- grain:  one row per bar at which :bars has a row
-- reads:  :bars
-- params: :target
-- The times of some rows of prices.
create or replace temp table :target as
select distinct
    t,
    timestamp
from :bars
