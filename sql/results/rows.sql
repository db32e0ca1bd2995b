-- grain:  one row per row that events made
-- reads:  :staged
-- params: :held
-- Of a table that computes no column: what events hold, in the types that are declared.
select :held
from :staged as staged
