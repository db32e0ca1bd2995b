-- grain:  one row
-- reads:  :source
-- params: none
-- A frame library without a date type stamps days as midnights: next to intraday bars they are
-- seen hours before they could be known, just like dates; midnights of UTC too, whatever the
-- zone in force.
select
    coalesce(
        bool_and(timestamp = date_trunc('day', timestamp))
        or bool_and(epoch_us(timestamp) % 86400000000 = 0),
        false
    ) as is_daily
from :source
