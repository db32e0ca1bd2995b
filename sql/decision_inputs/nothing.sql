-- grain:  no row
-- reads:  :decided
-- params: :clock_type
-- A catalog of prices alone.
select
    null::varchar as source,
    timestamp,
    asset_id::varchar as asset_id,
    cast(timestamp as :clock_type) as available_at,
    true as is_known
from :decided
where false
