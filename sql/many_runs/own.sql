-- grain:  one row per row of :relation that is of the run
-- reads:  :relation
-- params: none
-- Inside of a query that is joined sideways.
select * exclude (run_number)
from :relation as own
where own.run_number = run.number
