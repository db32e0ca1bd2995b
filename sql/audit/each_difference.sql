-- grain:  one row
-- reads:  :whole, :cut, stage.timeline
-- params: $ts, :joined, :items
-- At which bars each column was something else than it is with all data.
with

bars as (
    select timestamp
    from stage.timeline
    where list_contains($ts::integer[], t)
),

of_whole as (
    select
        *,
        true as __is_there
    from :whole
    where timestamp in (select timestamp from bars)
),

of_cut as (
    select
        *,
        true as __is_there
    from :cut
)

select :items
from of_whole as whole
full outer join of_cut as cut on :joined
