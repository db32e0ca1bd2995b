-- grain:  one row per asset and bar at which a run sent an order of its own
-- reads:  orders
-- params: none
-- Whether it was an entry. Times and assets are texts, as in `ended`.
select
    created_at::varchar as decided_at,
    asset_id::varchar as asset,
    bool_or(quantity > 0) as is_entry
from orders
where created_at is not null and parent_id is null
group by created_at, asset_id
order by decided_at asc, asset asc
