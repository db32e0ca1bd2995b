-- grain:  one row per bar at which the equity of two runs differs
-- reads:  :one, :other, the equity of both
-- params: :one_name, :other_name
-- Account currency; a bar that one run lacks is NULL there.
select
    coalesce(one.timestamp, other.timestamp) as timestamp,
    one.equity as :one_name,
    other.equity as :other_name,
    other.equity - one.equity as difference
from :one as one
full join :other as other on one.timestamp = other.timestamp
where one.equity is distinct from other.equity
order by 1 asc
