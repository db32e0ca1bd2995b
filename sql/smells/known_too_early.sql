-- grain:  one row per column that goes with the next bar's volume or range, and not with its own
-- reads:  :profile
-- params: $least_ic, $least_lead, $least_of_volume, $least_t
-- Volume and range of a bar are known at its end. A column that is one of the next bar is stamped
-- a bar too early; so is a volume that goes with the next range, since both go together in a bar.
with

by_lag as (
    select
        source,
        column_name,
        move,
        any_value(mean_ic) filter (where lag = 0) as own_ic,
        any_value(mean_ic) filter (where lag = 1) as next_ic,
        any_value(t_stat) filter (where lag = 1) as next_t,
        any_value(n_bars) filter (where lag = 1) as n_bars,
        string_agg(
            lag || ': ' || round(mean_ic, 3), ', '
            order by lag
        ) as profile
    from :profile
    where move in ('volume', 'range') and form = 'change'
    group by source, column_name, move
)

select
    source,
    column_name,
    n_bars as n_rows,
    next_ic as value,
    'changes by lag of those of the ' || move || ': ' || profile as sample
from by_lag
where
    abs(next_t) >= $least_t
    and case
        when source = 'prices' and column_name = 'volume'
            then move = 'range' and next_ic >= $least_of_volume and next_ic > own_ic
        else abs(next_ic) >= $least_ic and abs(next_ic) > abs(own_ic) + $least_lead
    end
qualify
    row_number() over (
        partition by source, column_name
        order by abs(next_ic) desc, move asc
    ) = 1
order by source asc, column_name asc
