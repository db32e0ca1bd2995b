-- grain:  one row per column of a table
-- reads:  nothing but the lists of one database
-- params: $database
-- All tables that are there, of whatever schema: what was added is no part of what was signed.
select
    schema_name,
    table_name,
    column_name,
    data_type
from duckdb_columns()
where
    database_name = $database
    and not internal
    and (schema_name, table_name) in (
        select (duckdb_tables.schema_name, duckdb_tables.table_name)
        from duckdb_tables()
        where duckdb_tables.database_name = $database
    )
order by schema_name asc, table_name asc, column_index asc
