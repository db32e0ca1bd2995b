-- grain:  one row per run that the index lacks
-- reads:  :entries, :seen
-- params: none
-- The entries of runs, read from their folders.
select
    entries.*,
    seen.written_ns
from :entries as entries
inner join :seen as seen on entries.run_id = seen.run_id
