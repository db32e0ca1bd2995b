-- grain:  one row per bar at whose close something was held
-- reads:  positions
-- params: none
-- What was held at each close, added up asset by asset in the order of their ids: long_value 0 or
-- above, short_value 0 or below, NULL where nothing was held on that side. largest_asset is whose
-- the largest |value| is (the first asset_id of equal ones), squares the sum of value * value.
select
    timestamp,
    count(*) filter (where value > 0) as n_long,
    count(*) filter (where value < 0) as n_short,
    sum(value order by asset_id) filter (where value > 0) as long_value,
    sum(value order by asset_id) filter (where value < 0) as short_value,
    max(abs(value)) as largest_value,
    arg_min(asset_id, (-abs(value), asset_id)) as largest_asset,
    sum(value * value order by asset_id) as squares
from main.positions
group by timestamp
order by timestamp asc
