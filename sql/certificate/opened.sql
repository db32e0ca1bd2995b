-- grain:  one row per table of an audit that came with the run
-- reads:  duckdb_tables()
-- params: none
-- What stands in the memory of a run beside its own tables.
select table_name
from duckdb_tables()
where database_name = current_database() and schema_name = 'audit'
order by table_name asc
