-- grain:  one row per source and period
-- reads:  staleness
-- params: none
-- How old the newest row known at a bar was, in days: the middle match, and the 95 % quantile.
-- The source with the oldest stands first.
select
    source,
    period,
    median_age_days,
    q95_age_days,
    max_age_days,
    median_age_bars,
    max_age_bars
from staleness
where period is not null
order by
    max(max_age_days) over (partition by source) desc,
    source asc,
    period asc
