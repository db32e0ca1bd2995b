-- grain:  one row per row of :relation that is wanted
-- reads:  :relation
-- params: :columns, :only
-- Columns of a relation whose name or text is known at run time alone.
select :columns
from :relation
:only
