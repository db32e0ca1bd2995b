-- grain:  one row per column of a source
-- reads:  columns
-- params: none
-- The share of the rows of a source in which a column is NULL.
-- The source of the column with most of them stands first.
select
    source,
    column_name,
    null_share,
    n_null,
    n_rows
from "columns"
order by
    max(null_share) over (partition by source) desc,
    source asc,
    null_share desc,
    column_name asc
