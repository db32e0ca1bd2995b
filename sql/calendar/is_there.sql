-- grain:  one row
-- reads:  duckdb_tables
-- params: none
-- Whether a calendar was registered.
select count(*) > 0 as has_calendar
from duckdb_tables()
where
    schema_name = 'stage'
    and table_name = 'sessions'
