-- grain:  one row per thing that somebody made in the attached file
-- reads:  nothing but the lists of the attached file
-- params: none
-- What would be lost with the file, and what a run is looked for among.
select
    'table' as kind,
    schema_name,
    table_name as name
from duckdb_tables()
where database_name = 'run'
union all
select
    'view' as kind,
    schema_name,
    view_name as name
from duckdb_views()
where database_name = 'run' and not internal
union all
select
    'function' as kind,
    schema_name,
    function_name as name
from duckdb_functions()
where database_name = 'run' and not internal
union all
select
    'sequence' as kind,
    schema_name,
    sequence_name as name
from duckdb_sequences()
where database_name = 'run'
order by kind asc, schema_name asc, name asc
