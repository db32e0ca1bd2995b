-- grain:  one row per row of a table of the saved run
-- reads:  :source
-- params: :table, :columns
-- Into memory: every row is read now, so that a damaged file is found out now.
create table :table as
select :columns
from :source
