-- grain:  one row
-- reads:  nothing
-- params: $query
-- A query as DuckDB itself takes it apart, with the place of each part in the text.
select json_serialize_sql($query) as parsed
