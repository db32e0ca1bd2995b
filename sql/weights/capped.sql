-- grain:  one row per (timestamp, asset_id) of :weighted
-- reads:  :weighted
-- params: :cap
-- v = min(cap, L * w), with L such that the sum stays what it was. Largest w first, let S be the
-- sum of all and T(j) that of w(j), w(j + 1), ...: with j - 1 weights at the cap, the others grow
-- by L(j) = (S - (j - 1) * cap) / T(j). The first j with L(j) * w(j) <= cap is the right one, and
-- all before it are at the cap: once the test holds it holds for every later j. This is what
-- capping and sharing out again would end in. Longs and shorts are apart. Where n * cap is below
-- S, all are at the cap and the rest is cash.
with

weighted as (
    :weighted
),

sized as (
    select
        timestamp,
        asset_id,
        weight,
        weight < 0 as is_short,
        abs(weight)::double as size
    from weighted
),

placed as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        row_number() over (
            partition by timestamp, is_short
            order by size desc, asset_id asc
        ) as place,
        -- From the smallest up: the sum of this one and all that are smaller.
        sum(size) over (
            partition by timestamp, is_short
            order by size asc, asset_id desc
            rows between unbounded preceding and current row
        ) as tail,
        sum(size) over (partition by timestamp, is_short) as total
    from sized
),

scaled as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        (total - (place - 1) * :cap) / nullif(tail, 0) as scale
    from placed
),

settled as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        max(case when scale * size <= :cap then scale end) over (
            partition by timestamp, is_short
        ) as scale_of_all
    from scaled
)

select
    timestamp,
    asset_id,
    case
        when size = 0 then 0
        else least(:cap, coalesce(scale_of_all * size, :cap))
    end * case when is_short then -1 else 1 end as weight
from settled
