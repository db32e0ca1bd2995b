-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range
-- Before slippage and impact a price is one at which the asset traded in that bar.
select
    timestamp,
    asset_id,
    'at ' || gross || ' before costs; the bar is from ' || lowest
    || ' to ' || highest as what
from :rows
where
    not (
        gross >= lowest - $in_range * abs(lowest)
        and gross <= highest + $in_range * abs(highest)
    )
