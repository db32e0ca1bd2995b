-- grain:  one row
-- reads:  main.prices
-- params: none
-- The days of the first and the last bar.
select
    min(timestamp)::date as first_day,
    max(timestamp)::date as last_day
from main.prices
where isfinite(timestamp)
