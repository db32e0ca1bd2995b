-- grain:  one row
-- reads:  nothing
-- params: $query
-- A query as DuckDB will run it: bound to its tables, and not yet changed by the optimizer.
select json_serialize_plan($query, optimize := false) as plan
