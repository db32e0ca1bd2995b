-- grain:  one row per table of an audit in the attached file
-- reads:  nothing but the lists of the attached file
-- params: none
-- What stands beside a run that was audited.
select table_name
from duckdb_tables()
where database_name = 'run' and schema_name = 'audit'
order by table_name asc
