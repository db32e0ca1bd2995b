-- grain:  one row per row of :rows
-- reads:  :rows
-- params: :run_id, :table, :columns
-- A result table: its columns as they are declared, after the run that they are of. Rows come in
-- their order: one thread writes them as it reads them.
create table :table as
select
    :run_id as run_id,
    :columns
from (:rows) as made
