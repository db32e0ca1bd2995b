-- grain:  one row, where bars look as if they were stamped at their open
-- reads:  stage.timeline
-- params: $break_minutes, $round_minutes, $least_share, $least_sessions
-- Sessions open and close at round times. Where the first stamp after a break is round, and the
-- last before one is a bar short of it, a stamp says when its bar begins. Bars as long as the
-- rounding do not tell.
with

bars as (
    select
        timestamp,
        epoch_us(timestamp) // 60000000 as minute,
        date_part('hour', timestamp) * 60 + date_part('minute', timestamp) as of_day
    from stage.timeline
    where timestamp is not null
),

gaps as (
    select
        *,
        minute - lag(minute) over by_time as gap,
        lag(of_day) over by_time as last_of_day
    from bars
    window by_time as (order by minute)
),

lengths as (
    select min(gap) as bar_minutes
    from gaps
),

breaks as (
    select
        gaps.timestamp,
        gaps.of_day % $round_minutes = 0
        and (gaps.last_of_day + lengths.bar_minutes) % $round_minutes = 0 as is_at_open
    from gaps
    cross join lengths
    where
        gaps.gap >= $break_minutes
        and lengths.bar_minutes between 1 and $round_minutes - 1
)

select
    'timestamp' as column_name,
    count(*) as n_rows,
    avg(is_at_open::integer) as value,
    'the first bar after a break is at ' || min(timestamp) filter (where is_at_open)
    || ', a round time' as sample
from breaks
having
    count(*) >= $least_sessions
    and avg(is_at_open::integer) >= $least_share
