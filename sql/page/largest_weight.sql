-- grain:  one row per bar
-- reads:  report.exposures
-- params: none
-- The largest position at each close, as a fraction of equity, and whose it is.
select
    timestamp,
    largest_weight,
    largest_asset
from report.exposures
order by timestamp asc
