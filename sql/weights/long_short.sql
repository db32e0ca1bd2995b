-- grain:  one row per (timestamp, asset_id) of ranked at either end
-- reads:  ranked
-- params: :fraction, :long, :short
-- With n assets ranked, the first and the last k = max(1, floor(fraction * n)) of them:
-- w = long / k at the top, -short / k at the bottom. Fewer than two: no row.
with

counted as (
    select
        timestamp,
        asset_id,
        rank,
        count(*) over (partition by timestamp) as n_ranked
    from ranked
),

sided as (
    select
        timestamp,
        asset_id,
        rank,
        n_ranked,
        -- 0.29 * 100 is 28.999999999999996 in floats.
        greatest(1, floor(:fraction * n_ranked + 1e-9)) as n_side
    from counted
    where n_ranked >= 2
)

select
    timestamp,
    asset_id,
    case when rank <= n_side then :long else -:short end / n_side as weight
from sided
where rank <= n_side or rank > n_ranked - n_side
