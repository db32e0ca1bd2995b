-- grain:  one row per (timestamp, asset_id) of prices
-- reads:  :moments of the return of one bar
-- params: :n, :made
-- The sample standard deviation (divisor n - 1) of the last n returns, per bar: not annualised,
-- which would need to know how many bars a year has.
select
    timestamp,
    asset_id,
    deviation * sqrt(:n / (:n - 1)) as :made
from :moments
