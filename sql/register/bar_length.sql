-- grain:  one row
-- reads:  :source
-- params: none
-- How long a bar is: the least time between two of them. Gaps within a day that are no multiple of
-- it say that bars are of unequal length.
with

times as (
    select distinct timestamp
    from :source
    where isfinite(timestamp)
),

gaps as (
    select
        epoch_us(timestamp)
        - epoch_us(lag(timestamp) over (order by timestamp asc)) as gap
    from times
),

least_gap as (
    select min(gap) as length
    from gaps
)

select
    least_gap.length,
    count(*) filter (
        where gaps.gap < 43200000000
        and gaps.gap % least_gap.length <> 0
    ) as n_uneven,
    to_microseconds(any_value(least_gap.length))::varchar as shown
from gaps
cross join least_gap
group by least_gap.length
