-- grain:  one row per column of a table of the run
-- reads:  duckdb_columns()
-- params: :table
-- Columns with types and what they mean.
select
    column_name,
    data_type,
    comment
from duckdb_columns()
where table_name = :table
order by column_index asc
