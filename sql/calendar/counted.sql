-- grain:  one row per bar
-- reads:  :bar_sessions
-- params: $unit, $shift, $every, $offset, $begin_t
-- Every so many periods, counted from that of the run's first bar: each run of them is one, and its
-- first bar decides. Before the offset there is none.
with

bars as (
    select
        t,
        date_trunc($unit, session + $shift) as period
    from (:bar_sessions) as given
    where t >= $begin_t
),

numbered as (
    select
        t,
        date_diff($unit, min(period) over (), period) - $offset as n_since
    from bars
)

select
    t,
    n_since // $every as period,
    n_since >= 0 as is_due,
    n_since >= 0 as is_exact,
    false as is_made_up
from numbered
