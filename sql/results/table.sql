-- grain:  one row per row of :rows
-- reads:  :rows
-- params: :table, :columns
-- Rows of a result table, or some of them: its columns as they are declared. Rows come in their
-- order: one thread writes them as it reads them.
insert into :table
select :columns
from (:rows) as made
