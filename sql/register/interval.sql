-- grain:  one row
-- reads:  nothing
-- params: $interval
-- Whether an interval runs backwards in some part. Each part by itself: a month less thirty days
-- may run either way.
with

given as (
    select $interval::interval as span
)

select
    least(
        datepart('year', span),
        datepart('month', span),
        datepart('day', span),
        epoch_us(span - to_days(datepart('day', span)::integer))
    ) < 0 as is_backwards
from given
