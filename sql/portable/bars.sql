-- grain:  one row per (t, sid) with a bar at a decision bar
-- reads:  __prices and decisions, steps before
-- params: :columns, :membership
-- The rows that can be ranked. An asset is its own id, sid: ties are broken by that.
select
    prices.timestamp as t,
    prices.asset_id as sid,
    prices.timestamp
    :columns
from __prices as prices
inner join decisions on prices.timestamp = decisions.t
where :membership
