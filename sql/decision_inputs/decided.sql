-- grain:  one row per (timestamp, asset_id) at which something was decided of an asset
-- reads:  selections, decisions, orders
-- params: none
-- What was chosen, where a rule or a limit acted, and what was ordered.
with

decided as (
    select
        timestamp,
        asset_id
    from selections
    union all
    select
        timestamp,
        asset_id
    from decisions
    union all
    select
        created_at as timestamp,
        asset_id
    from orders
)

select distinct
    timestamp,
    asset_id
from decided
where timestamp is not null and asset_id is not null
