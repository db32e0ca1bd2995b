-- grain:  one row, where times fit the hours of the bars if they are moved by some hours
-- reads:  :source, stage.timeline
-- params: :clock, $longest_hours, $least_share, $least_gain, $most_shifts
-- A source in another zone is known hours too early, or too late. Where many shifts fit, as of a
-- source with one time a day, nothing is told; summer time makes two of one.
with

bars as (
    select date_part('hour', timestamp) * 60 + date_part('minute', timestamp) as minute
    from stage.timeline
    where timestamp is not null
),

session as (
    select
        min(minute) as first_minute,
        max(minute) as last_minute
    from bars
),

minutes as (
    select
        date_part('hour', :clock) * 60 + date_part('minute', :clock) as minute,
        count(*) as n_rows
    from :source
    where :clock is not null
    group by minute
),

shifts as (
    select unnest(generate_series(-12, 12)) as n_hours
),

fits as (
    select
        shifts.n_hours,
        sum(minutes.n_rows) as n_rows,
        sum(minutes.n_rows) filter (
            where (minutes.minute + 60 * shifts.n_hours + 1440) % 1440
            between session.first_minute and session.last_minute
        ) / sum(minutes.n_rows) as share
    from minutes
    cross join shifts
    cross join session
    where session.last_minute - session.first_minute <= 60 * $longest_hours
    group by shifts.n_hours
),

told as (
    select
        any_value(n_rows) as n_rows,
        coalesce(any_value(share) filter (where n_hours = 0), 0) as share_now,
        max(share) as best_share,
        arg_max(n_hours, share) as n_hours,
        count(*) filter (where share >= $least_share) as n_shifts
    from fits
)

select
    'timestamp' as column_name,
    n_rows::bigint as n_rows,
    n_hours::double as value,
    round(100 * share_now)::integer || '% of the times are in the hours of the bars; '
    || 'moved by ' || n_hours || ' hours ' || round(100 * best_share)::integer
    || '% are' as sample
from told
where
    best_share >= $least_share
    and best_share - share_now >= $least_gain
    and n_shifts <= $most_shifts
