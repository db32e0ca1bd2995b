-- grain:  one row per (timestamp, asset_id) of ranked
-- reads:  ranked
-- params: :volatility
-- w = (1 / v) / sum(1 / v), with v the volatility. An asset whose v is missing or not above 0
-- gets 0; where none has one, all weights are 0.
with

measured as (
    select
        timestamp,
        asset_id,
        (:volatility)::double as volatility
    from ranked
),

sized as (
    select
        timestamp,
        asset_id,
        -- NaN is above every number in DuckDB, so that it is asked for by name.
        case
            when isfinite(volatility) and volatility > 0 then 1 / volatility else 0
        end as size
    from measured
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
