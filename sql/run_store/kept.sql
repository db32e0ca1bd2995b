-- grain:  one row per run whose line in the index is that of its folder
-- reads:  :index, :seen
-- params: none
-- A run that was taken away and added again has another line.
select index_of_store.*
from :index as index_of_store
semi join :seen as seen
    on
        index_of_store.run_id = seen.run_id
        and index_of_store.written_ns = seen.written_ns
