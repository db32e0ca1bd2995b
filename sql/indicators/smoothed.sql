-- grain:  one row per row of :inputs
-- reads:  :inputs (timestamp, asset_id, value)
-- params: :first, :n, :weight
-- Exponential smoothing as TA-Lib does it: the plain mean of values first to first + n - 1 of an
-- asset is the seed, and each later value moves it by :weight of the distance. One step of the
-- recursion takes all assets on by one bar.
with recursive

numbered as (
    select
        timestamp,
        asset_id,
        value,
        row_number() over (partition by asset_id order by timestamp) as i
    from :inputs
),

-- Summed in the order of time: the last digits must not depend on the number of threads.
seeds as (
    select
        asset_id,
        case
            when count(value) = :n then list_avg(list(value order by i))
        end as seed
    from numbered
    where i between :first and :first + :n - 1
    group by asset_id
),

bars as materialized (
    select
        numbered.timestamp,
        numbered.asset_id,
        numbered.i,
        numbered.value,
        seeds.seed
    from numbered
    left join seeds on numbered.asset_id = seeds.asset_id
),

smoothed as (
    select
        timestamp,
        asset_id,
        i,
        case when i = :first + :n - 1 then seed end as value
    from bars
    where i <= :first + :n - 1

    union all

    select
        bars.timestamp,
        bars.asset_id,
        bars.i,
        smoothed.value + (bars.value - smoothed.value) * (:weight) as value
    from smoothed
    inner join bars
        on smoothed.asset_id = bars.asset_id and smoothed.i + 1 = bars.i
    where smoothed.i >= :first + :n - 1
)

select
    timestamp,
    asset_id,
    value
from smoothed
