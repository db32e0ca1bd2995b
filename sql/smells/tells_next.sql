-- grain:  one row per column that tells more of the next return than a forecast does
-- reads:  :profile
-- params: $least_ic, $times_turn, $least_t, $beats_last
-- The next return is what nobody knows: a column that shows it more than what has happened, where
-- $beats_last asks for that, was made of it. Beyond what the returns tell themselves: short bars
-- turn back, from bid to ask, and whatever shows the last return then shows the next one too.
with

by_lag as (
    select
        source,
        column_name,
        form,
        any_value(mean_ic) filter (where lag = 0) as last_ic,
        any_value(mean_ic) filter (where lag = 1) as next_ic,
        any_value(t_stat) filter (where lag = 1) as next_t,
        any_value(n_bars) filter (where lag = 1) as n_bars,
        string_agg(
            lag || ': ' || round(mean_ic, 3), ', '
            order by lag
        ) as profile
    from :profile
    where move = 'return'
    group by source, column_name, form
),

own as (
    select coalesce(max(abs(next_ic)) filter (where form = 'return'), 0) as turn
    from by_lag
)

select
    by_lag.source,
    by_lag.column_name,
    by_lag.n_bars as n_rows,
    by_lag.next_ic as value,
    'the ' || by_lag.form || ' by lag of the return: ' || by_lag.profile || '; t = '
    || round(greatest(-999, least(999, by_lag.next_t)), 1) as sample
from by_lag
cross join own
where
    by_lag.form <> 'return'
    and abs(by_lag.next_ic) >= $least_ic + $times_turn * own.turn
    and abs(by_lag.next_t) >= $least_t
    and (
        not $beats_last
        or abs(by_lag.next_ic) > coalesce(abs(by_lag.last_ic), 0)
    )
qualify
    row_number() over (
        partition by by_lag.source, by_lag.column_name
        order by abs(by_lag.next_ic) desc, by_lag.form asc
    ) = 1
order by by_lag.source asc, by_lag.column_name asc
