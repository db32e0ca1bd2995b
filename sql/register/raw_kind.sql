-- grain:  one row, none where there is no such relation
-- reads:  information_schema.tables
-- params: $name varchar
-- Whether a relation of the schema raw is a table or a view; each is dropped by its own kind.
select case when table_type = 'VIEW' then 'view' else 'table' end as kind
from information_schema.tables
where table_schema = 'raw' and lower(table_name) = lower($name)
