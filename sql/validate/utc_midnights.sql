-- grain:  one row
-- reads:  stage.timeline
-- params: none
-- Days that a library without dates has stamped as midnights of UTC: in another zone each would
-- be a time of the day before or of the same day.
select
    coalesce(
        count(*) > 1 and bool_and(epoch_us(timestamp) % 86400000000 = 0), false
    ) as is_utc_days
from stage.timeline
where timestamp is not null
