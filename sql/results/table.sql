-- grain:  one row per row of :rows
-- reads:  :rows
-- params: $run_id, :table, :columns, :keys
-- A result table: its columns as they are declared, after the run that they are of.
create table :table as
select
    $run_id::varchar as run_id,
    :columns
from (:rows) as made
order by :keys
