-- grain:  one row per run that is compared
-- reads:  :runs, the list of a store
-- params: $run_ids
-- In the order in which they were asked for.
select metrics.*
from :runs as metrics
where list_contains($run_ids::varchar[], metrics.run_id)
order by list_position($run_ids::varchar[], metrics.run_id) asc
