-- grain:  one row per row of :source
-- reads:  :source
-- params: :target, :columns
-- A table of an audit, times in the type of the bars.
create or replace temp table :target as
select :columns
from :source
