-- grain:  one row
-- reads:  :source
-- params: none
-- A frame library without a date type stamps days as midnights: next to intraday bars they are
-- seen hours before they could be known, just like dates.
select coalesce(bool_and(timestamp = date_trunc('day', timestamp)), false) as is_daily
from :source
