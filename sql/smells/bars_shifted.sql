-- grain:  one row, where bars fit the sessions of the calendar if they are moved by some hours
-- reads:  stage.timeline, stage.sessions
-- params: $most_bars, $least_share, $least_gain, $most_shifts
-- Of so many bars at equal distances.
with

step as (
    select count(*) // $most_bars + 1 as n_bars
    from stage.timeline
),

bars as (
    select timeline.timestamp
    from stage.timeline as timeline
    cross join step
    where timeline.timestamp is not null and timeline.t % step.n_bars = 0
),

shifts as (
    select unnest(generate_series(-12, 12)) as n_hours
),

moved as (
    select
        shifts.n_hours,
        bars.timestamp + to_hours(shifts.n_hours) as timestamp
    from bars
    cross join shifts
),

sessions as (
    select
        opens,
        closes
    from stage.sessions
    where
        is_open
        and opens is not null
        and closes is not null
),

fits as (
    select
        moved.n_hours,
        count(*) as n_rows,
        avg(coalesce(moved.timestamp <= sessions.closes, false)::integer) as share
    from moved
    asof left join sessions on moved.timestamp > sessions.opens
    group by moved.n_hours
),

told as (
    select
        any_value(n_rows) as n_rows,
        any_value(share) filter (where n_hours = 0) as share_now,
        max(share) as best_share,
        arg_max(n_hours, share) as n_hours,
        count(*) filter (where share >= $least_share) as n_shifts
    from fits
)

select
    'timestamp' as column_name,
    n_rows,
    n_hours::double as value,
    round(100 * share_now)::integer || '% of the bars end in a session; moved by '
    || n_hours || ' hours ' || round(100 * best_share)::integer || '% do' as sample
from told
where
    best_share >= $least_share
    and best_share - share_now >= $least_gain
    and n_shifts <= $most_shifts
