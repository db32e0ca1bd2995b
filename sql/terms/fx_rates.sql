-- grain:  one row per pair and bar of the run at which a newer rate of it is known
-- reads:  :rows, :first_bars
-- params: $first_t, $last_t
-- Of what became known until a bar the row of the latest time; what was known before the run
-- counts from its first bar.
with

first_bars as (
    select *
    from (:first_bars)
),

known as (
    select
        greatest(first_bars.t - $first_t::integer, 0) as t,
        fx.base,
        fx."quote",
        fx.rate,
        fx.timestamp,
        fx.known_at
    from (:rows) as fx
    inner join first_bars on fx.known_at = first_bars.moment
    where first_bars.t <= $last_t::integer
),

newest as (
    select
        *,
        row_number() over (
            partition by t, base, "quote"
            order by timestamp desc, known_at desc
        ) as place
    from known
)

select
    t,
    base,
    "quote",
    rate,
    date_diff('day', date '1970-01-01', timestamp::date)::double as day
from newest
where place = 1
order by t asc, base asc, "quote" asc
