-- grain:  one row per (timestamp, asset_id) of :weighted
-- reads:  :weighted
-- params: :cap
-- v = min(cap, L * w), with L such that the sum stays what it was. Largest w first, let S be the
-- sum of all and T(j) that of w(j), w(j + 1), ...: with j - 1 weights at the cap, the others grow
-- by L(j) = (S - (j - 1) * cap) / T(j). The first j with L(j) * w(j) <= cap is the right one, and
-- all before it are at the cap: once the test holds it holds for every later j. This is what
-- capping and sharing out again would end in. Longs and shorts are apart. Where n * cap is below
-- S, all are at the cap and the rest is cash. A weight that is NULL, NaN or infinite is left as
-- it is, so that it is refused by its name.
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

totalled as (
    select
        timestamp,
        asset_id,
        weight,
        is_short,
        size,
        sum(size) over (partition by timestamp, is_short) as total
    from sized
),

placed as (
    select
        timestamp,
        asset_id,
        weight,
        is_short,
        size,
        total,
        row_number() over (
            partition by timestamp, is_short
            order by size desc nulls last, asset_id asc
        ) as place,
        -- At most S / cap weights are at the cap: the place of L is among the first of them.
        total / :cap + 2 as last_place
    from totalled
),

parted as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        total,
        place,
        last_place,
        sum(case when place > last_place then size else 0 end) over (
            partition by timestamp, is_short
        ) as rest
    from placed
),

tailed as (
    select
        timestamp,
        asset_id,
        is_short,
        size,
        total,
        place,
        -- From the smallest up: this one and all that are smaller.
        rest + sum(size) over (
            partition by timestamp, is_short
            order by place desc
            rows between unbounded preceding and current row
        ) as tail
    from parted
    where place <= last_place
),

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
