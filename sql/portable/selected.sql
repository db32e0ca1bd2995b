-- grain:  one row per (timestamp, asset_id) that a ranking selects
-- reads:  ranked, the last step
-- params: none
-- As the table selections has them, in no order.
select
    t as timestamp,
    sid as asset_id,
    rank,
    score,
    weight
from ranked
