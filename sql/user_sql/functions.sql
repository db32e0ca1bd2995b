-- grain:  one row per function, kind, stability and number of parameters
-- reads:  duckdb_functions()
-- params: $names
-- DuckDB itself says which functions depend on nothing but their arguments. It says so of each
-- overload: from 2.0.1 on those of times with a zone are consistent within a query alone, for
-- they read the zone of the session. Every session's zone is set, so that they are as good as
-- the others; what depends on a query and takes or makes no such time reads a clock or a setting.
with

overloads as (
    select
        function_name,
        function_type,
        internal as is_internal,
        len(coalesce(parameter_types, [])) as n_parameters,
        varargs is not null as takes_more,
        coalesce(stability, 'CONSISTENT') as stability,
        coalesce(stability = 'CONSISTENT_WITHIN_QUERY', false)
        and len(parameter_types) > 0
        and list_has_any(
            list_append(parameter_types, return_type),
            ['TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ_NS', 'TIME WITH TIME ZONE']
        ) as reads_zone
    from duckdb_functions()
    where list_contains($names, function_name)
)

select distinct
    function_name,
    function_type,
    case when reads_zone then 'CONSISTENT' else stability end as stability,
    is_internal,
    n_parameters,
    takes_more
from overloads
