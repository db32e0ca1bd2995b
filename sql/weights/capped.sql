-- grain:  one row per (timestamp, asset_id) of :weighted
-- reads:  :weighted
-- params: :cap
-- v = min(cap, L * w), with L such that the sum stays what it was: what capping and sharing out
-- again would end in. Longs and shorts are apart. A weight that is NULL, NaN or infinite is left
-- as it is, so that it is refused by its name.
--
-- Of one side of one bar let w(1) >= w(2) >= ... be the sizes, S their sum, and T(j) the sum of
-- w(j) and all that are smaller. With the j - 1 largest at the cap the others must grow by
--     L(j) = (S - (j - 1) * cap) / T(j)
-- for the sum to be S. The right j is the first at which L(j) * w(j) <= cap:
-- 1. From there on none is above the cap, since they are smaller still.
-- 2. All before it are at the cap. The test fails at i = j - 1: S - (i - 1) * cap > cap * T(i) / w(i),
--    and T(i) / w(i) is 1 + T(j) / w(i), so that S - i * cap > cap * T(j) / w(i): L(j) * w(i) > cap.
-- It is the one of the largest L that passes: where j does, S - (j - 1) * cap = L(j) * T(j) =
-- L(j) * w(j) + L(j) * T(j + 1) <= cap + L(j) * T(j + 1), so that L(j + 1) <= L(j).
-- Where none passes, all sizes at the cap are less than S: they are, and the rest is cash.
with

weighted as (
    :weighted
),

sized as (
    select
        timestamp,
        asset_id,
        weight::double as weight,
        weight < 0 as is_short,
        case when isfinite(weight::double) then abs(weight::double) end as size
    from weighted
),

-- place is j, total is S.
placed as (
    select
        timestamp,
        asset_id,
        weight,
        is_short,
        size,
        row_number() over (
            partition by timestamp, is_short
            order by size desc nulls last, asset_id asc
        ) as place,
        sum(size) over (partition by timestamp, is_short) as total
    from sized
),

-- j - 1 sizes at the cap are at most S, so that j is at most S / cap + 1, and one more for what
-- is lost in rounding. What is smaller is added up at once: a running sum over thousands of rows,
-- each frame in its order, would take its time.
parted as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        place,
        total,
        sum(case when place > total / :cap + 2 then size else 0 end) over (
            partition by timestamp, is_short
        ) as rest
    from placed
),

-- tail is T(j), from the smallest up.
tailed as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        place,
        total,
        rest + sum(size) over (
            partition by timestamp, is_short
            order by place desc
            rows between unbounded preceding and current row
        ) as tail
    from parted
    where place <= total / :cap + 2
),

-- scale is L(j).
scaled as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        (total - (place - 1) * :cap) / nullif(tail, 0) as scale
    from tailed
),

settled as (
    select
        timestamp,
        is_short,
        max(case when scale * size <= :cap then scale end) as scale
    from scaled
    group by timestamp, is_short
)

select
    placed.timestamp,
    placed.asset_id,
    case
        when placed.size is null then placed.weight
        when placed.size = 0 then 0
        else
            least(:cap, coalesce(settled.scale * placed.size, :cap))
            * case when placed.is_short then -1 else 1 end
    end as weight
from placed
left join settled
    on
        placed.timestamp = settled.timestamp
        and placed.is_short = settled.is_short
