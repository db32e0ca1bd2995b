-- grain:  one row per row of a table of the run
-- reads:  handed_over
-- params: :columns
-- What the locked database gives to the one that may write files.
select :columns
from handed_over
