-- grain:  the rows of :query, of every run
-- reads:  main.every_run, :query
-- params: none
-- A query of one run, joined sideways to all of them: in it the run is `run`.
select
    run.number as run_number,
    of_run.*
from main.every_run as run,
    lateral (
        :query
    ) as of_run
