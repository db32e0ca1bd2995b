-- grain:  one row, where rows stand at midnight that look like dates
-- reads:  :source, stage.timeline
-- params: :clock, $least_share, $times_others
-- A date compares as midnight, before its day: next to bars within the day it is known too early.
-- Hours around the clock have midnights too, as many as other hours at which there is no bar.
with

times as (
    select
        epoch_us(:clock) - epoch_us(date_trunc('day', :clock)) as of_day,
        count(*) as n_rows,
        min(:clock) as first_time
    from :source
    where :clock is not null
    group by of_day
),

bars as (
    select epoch_us(timestamp) - epoch_us(date_trunc('day', timestamp)) as of_day
    from stage.timeline
    where timestamp is not null
    group by of_day
),

around as (
    select bool_or(of_day = 0) as has_midnights
    from bars
),

told as (
    select
        sum(times.n_rows) as n_in_all,
        sum(times.n_rows) filter (where times.of_day = 0) as n_rows,
        min(times.first_time) filter (where times.of_day = 0) as first_time,
        -- Beside times of bars these are the others; around the clock all are of bars.
        coalesce(
            avg(times.n_rows) filter (where times.of_day <> 0 and bars.of_day is null),
            max(times.n_rows) filter (where times.of_day <> 0 and around.has_midnights),
            0
        ) as n_others
    from times
    left join bars on times.of_day = bars.of_day
    cross join around
)

select
    'timestamp' as column_name,
    n_rows::bigint as n_rows,
    n_rows / n_in_all as value,
    'the first is ' || first_time as sample
from told
where
    n_rows >= $least_share * n_in_all
    and n_rows > $times_others * n_others
