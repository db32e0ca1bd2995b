-- grain:  one row per function and kind
-- reads:  duckdb_functions()
-- params: $names
-- DuckDB itself says which functions depend on nothing but their arguments.
select distinct
    function_name,
    function_type,
    coalesce(stability, 'CONSISTENT') as stability,
    internal as is_internal
from duckdb_functions()
where list_contains($names, function_name)
