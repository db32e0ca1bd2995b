-- grain:  one row per table or view of a file of SQLite, which runs it
-- reads:  sqlite_master
-- params: none
-- Those that the user made, by name.
select name
from sqlite_master
where type in ('table', 'view') and name not like 'sqlite_%'
order by name asc
