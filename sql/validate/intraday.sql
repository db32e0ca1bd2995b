-- grain:  one row
-- reads:  stage.timeline
-- params: none
-- A DATE next to intraday bars compares as midnight, hours before it could be known.
select
    coalesce(
        bool_or(timestamp::timestamp <> timestamp::date::timestamp), false
    ) as is_intraday
from stage.timeline
