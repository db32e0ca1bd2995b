-- grain:  one row per bar
-- reads:  stage.timeline
-- params: none
-- The bars as texts that DuckDB reads back to the last digit.
select
    t,
    timestamp::varchar as text
from stage.timeline
order by t asc
