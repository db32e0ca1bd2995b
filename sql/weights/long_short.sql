-- grain:  one row per (timestamp, asset_id) of ranked at either end
-- reads:  ranked
-- params: :fraction, :long, :short, :direction, :tolerance
-- With n assets ranked, the first and the last k = max(1, floor(fraction * n)) of them:
-- w = long / k at the top, -short / k at the bottom. Fewer than two: no row.
with

counted as (
    select
        timestamp,
        asset_id,
        score,
        rank,
        count(*) over (partition by timestamp) as n_ranked,
        count(distinct rank) over (partition by timestamp) as n_ranks
    from ranked
),

placed as (
    select
        timestamp,
        asset_id,
        n_ranked,
        -- A rank within groups is there once for each group: all are placed by score instead.
        row_number() over (
            partition by timestamp
            order by
                case when n_ranks = n_ranked then rank end asc,
                score :direction,
                asset_id asc
        ) as place
    from counted
),

sided as (
    select
        timestamp,
        asset_id,
        place,
        n_ranked,
        -- 0.29 * 100 is 28.999999999999996 in floats.
        greatest(1, floor(:fraction * n_ranked + :tolerance)) as n_side
    from placed
    where n_ranked >= 2
)

select
    timestamp,
    asset_id,
    case when place <= n_side then :long else -:short end / n_side as weight
from sided
where place <= n_side or place > n_ranked - n_side
