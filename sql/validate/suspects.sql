-- grain:  one row
-- reads:  stage.timeline
-- params: none
-- What the scan behind the timeline has counted: bars without a time, suspect rows.
select
    count(*) filter (where timestamp is null) as n_null_timestamps,
    coalesce(sum(n_suspect), 0) as n_suspect
from stage.timeline
