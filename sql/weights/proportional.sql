-- grain:  one row per (timestamp, asset_id) of ranked
-- reads:  ranked
-- params: :size
-- w = s / sum(s), with s the size, 0 where it is negative; no size above 0: all weights are 0.
with

sized as (
    select
        timestamp,
        asset_id,
        greatest(:size, 0) as size
    from ranked
),

totalled as (
    select
        timestamp,
        asset_id,
        size,
        sum(size) over (partition by timestamp) as total
    from sized
)

select
    timestamp,
    asset_id,
    -- A sum beyond all floats would make every weight 0: an infinite weight is refused.
    case
        when isinf(total) then total else coalesce(size / nullif(total, 0), 0)
    end as weight
from totalled
