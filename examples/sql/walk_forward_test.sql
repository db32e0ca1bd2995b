-- grain:  one row per (timestamp, asset_id) of a member
-- reads:  samples
-- params: $test_year
-- What is scored: every member on every bar of the year, whether or not a label was to come.
select *
from samples
where year(timestamp) = $test_year
order by timestamp asc, asset_id asc
