-- grain:  one row
-- reads:  :source, the metrics of a run
-- params: :columns, $run_id, $created_at, $strategy, $names, $texts, $files,
--         $bytes, $layout
-- What a list of runs shows of one; the bytes of its files tell a whole run from a damaged
-- one, its layout tells whether its tables have the columns and types of another's.
select
    $run_id::varchar as run_id,
    $created_at::timestamptz as created_at,
    $strategy::varchar as strategy,
    map($names::varchar[], $texts::varchar[]) as parameters,
    :columns,
    map($files::varchar[], $bytes::bigint[]) as bytes,
    $layout::varchar as layout
from :source
