-- grain:  one row per row of :bars
-- reads:  :bars, :known
-- params: :partition, :kept, :unknown, :packed, :bar_time, :known_time, :items
-- The same for Spark: what became known and the bars in one order of time, and at each bar the
-- last of what went before. Its own ASOF JOIN is behind a setting, and took four times as long.
select
    :kept,
    :items
from (
    select
        *,
        -- A struct is never NULL, unlike the values in it: the newest row counts, whatever it says.
        last_value(__row ignore nulls) over (
            partition by :partition
            order by __at asc, __is_bar asc
            rows between unbounded preceding and current row
        ) as __known
    from (
        select
            :kept,
            :bar_time as __at,
            1 as __is_bar,
            null as __row
        from :bars as bars
        union all
        -- Known at the very time of a bar is known at it: such a row goes first.
        select
            :unknown,
            :known_time as __at,
            0 as __is_bar,
            :packed as __row
        from :known as __known
    ) as together
) as bars
where __is_bar = 1
