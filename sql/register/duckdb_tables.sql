-- grain:  one row per table or view of a file of DuckDB
-- reads:  information_schema.tables
-- params: none
-- Those of the file that is open as other, the schema main before any other.
select
    table_name,
    table_schema
from information_schema.tables
where table_catalog = 'other'
order by table_schema <> 'main' asc, table_schema asc, table_name asc
