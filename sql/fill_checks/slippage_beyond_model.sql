-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range, $basis_points
-- The run slips by so many basis points of the price, and by no more.
select
    timestamp,
    asset_id,
    'slipped by ' || (10000 * slippage / units / gross) || ' basis points' as what
from :rows
where slippage > units * gross * ($basis_points / 10000 + $in_range)
