-- grain:  one row per column of the attached file's own tables
-- reads:  nothing but the lists of the attached file
-- params: none
-- Tables alone: a view would run whatever its maker wrote into it.
select
    table_name,
    column_name,
    data_type
from duckdb_columns()
where
    database_name = 'run'
    and schema_name = 'main'
    and table_name in (
        select duckdb_tables.table_name
        from duckdb_tables()
        where
            duckdb_tables.database_name = 'run'
            and duckdb_tables.schema_name = 'main'
    )
