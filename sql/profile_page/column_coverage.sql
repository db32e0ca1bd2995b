-- grain:  one row per column of a source and period
-- reads:  coverage
-- params: none
-- The share of the bars of the assets at which a column was known and not NULL.
-- The column with the lowest stands first.
select
    concat(source, '.', column_name) as feature,
    period,
    coverage,
    n_known,
    n_bars
from coverage
order by
    min(coverage) over (partition by source, column_name) asc,
    source asc,
    column_name asc,
    period asc
