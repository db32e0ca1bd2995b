-- grain:  as :rows, at each bar
-- reads:  stage.timeline, :rows
-- params: $ts, :rows
-- What was known at each of some bars, of that bar: :rows is lateral, and DuckDB takes those of
-- every bar apart from the others, whatever joins, windows and groups it has.
with

__bars as (
    select timestamp as __bar
    from stage.timeline
    where list_contains($ts::integer[], t)
)

select __known.*
from __bars
cross join :rows as __known
