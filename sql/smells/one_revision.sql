-- grain:  one row, where no period was ever revised
-- reads:  :source
-- params: :asset_id, $least_periods, $month_days
-- Reports are restated: where each period has one row, that row may hold what was said last,
-- under the date of what was said first.
with

given as (
    select
        :asset_id as asset_id,
        timestamp,
        available_at
    from :source
    where timestamp is not null and available_at is not null
),

periods as (
    select
        asset_id,
        timestamp,
        count(*) as n_revisions,
        min(epoch(available_at) - epoch(timestamp)) / 86400 as delay
    from given
    group by asset_id, timestamp
),

gaps as (
    select
        *,
        (
            epoch(timestamp)
            - epoch(lag(timestamp) over (partition by asset_id order by timestamp))
        ) / 86400 as n_days
    from periods
)

select
    'available_at' as column_name,
    count(*) as n_rows,
    1.0 as value,
    count(*) || ' periods, known ' || round(median(delay))::integer
    || ' days after their time, one revision of each' as sample
from gaps
having
    count(*) >= $least_periods
    and max(n_revisions) = 1
    and median(n_days) >= $month_days
    and median(delay) >= 1
