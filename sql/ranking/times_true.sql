-- grain:  one row
-- reads:  :rows
-- params: :counts
-- How often each of some conditions was true, of all rows of which they were asked.
select
    count(*) as n_rows,
    :counts
from (:rows)
