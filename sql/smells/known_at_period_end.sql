-- grain:  one row, where all periods are stamped by the calendar and known at once
-- reads:  :source, stage.timeline
-- params: :asset_id, :available, :has_clock, $least_share, $month_days, $quarter_days
-- Reports of months and quarters take days or weeks. Stamps on days without a bar were not
-- computed from bars; ends of months may be those of a resampled price, which is known by then, so
-- that without a clock of its own a source is asked for quarters, or for the first of months.
with

given as (
    select
        :asset_id as asset_id,
        timestamp::date as period,
        (:available)::date as known
    from :source
    where timestamp is not null
),

periods as (
    select distinct
        asset_id,
        period
    from given
),

gaps as (
    select
        *,
        period - lag(period) over (partition by asset_id order by period) as n_days,
        day(period) = 1 as is_first,
        day(period + 1) = 1 as is_last
    from periods
),

days as (
    select distinct timestamp::date as day
    from stage.timeline
    where timestamp is not null
),

span as (
    select
        min(day) as first_day,
        max(day) as last_day,
        bool_or(isodow(day) > 5) as has_weekends
    from days
),

told as (
    select
        median(gaps.n_days) as n_days,
        avg(gaps.is_first::integer) as first_share,
        avg(gaps.is_last::integer) as last_share,
        count(*) filter (
            where days.day is null
            and (
                gaps.period between span.first_day and span.last_day
                or (isodow(gaps.period) > 5 and not span.has_weekends)
            )
        ) as n_without_bar
    from gaps
    left join days on gaps.period = days.day
    cross join span
),

-- What was said of a period first; it may be revised.
first_known as (
    select
        period,
        min(known) as known
    from given
    group by asset_id, period
),

known as (
    select
        count(*) as n_rows,
        count(*) filter (where known <= period) as n_at_once,
        min(period) as first_period
    from first_known
)

select
    'timestamp' as column_name,
    known.n_rows,
    told.n_days as value,
    'periods of ' || round(told.n_days)::integer || ' days, from ' || known.first_period
    || ', each known on its own date' as sample
from told
cross join known
where
    known.n_at_once = known.n_rows
    and told.n_without_bar > 0
    and told.n_days >= $month_days
    and (
        told.first_share >= $least_share
        or (
            told.last_share >= $least_share
            and (:has_clock or told.n_days >= $quarter_days)
        )
    )
