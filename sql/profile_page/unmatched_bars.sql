-- grain:  one row per source and period
-- reads:  staleness
-- params: none
-- The share of the bars before any row of a source, and of those whose row is past max_age.
-- The source with most of them stands first.
select
    source,
    period,
    unmatched_share,
    too_old_share,
    n_bars
from staleness
where period is not null
order by
    max(unmatched_share + too_old_share) over (partition by source) desc,
    source asc,
    period asc
