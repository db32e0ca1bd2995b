-- grain:  one row per pair and bar of the run at which a newer rate of it is known
-- reads:  main.fx, :first_bars
-- params: :known_at, $first_t, $last_t
-- Of what became known until a bar the row of the latest time; what was known before the run
-- counts from its first bar.
with

first_bars as (
    select *
    from (:first_bars)
)

select
    greatest(first_bars.t - $first_t::integer, 0) as t,
    fx.base,
    fx."quote",
    fx.rate,
    date_diff('day', date '1970-01-01', fx.timestamp::date)::double as day
from main.fx as fx
inner join first_bars on :known_at = first_bars.moment
where first_bars.t <= $last_t::integer
qualify row_number() over (
    partition by greatest(first_bars.t, $first_t::integer), fx.base, fx."quote"
    order by fx.timestamp desc, :known_at desc
) = 1
order by t asc, fx.base asc, fx."quote" asc
