-- grain:  one row
-- reads:  :source
-- params: :period
-- How long after its period a row is known, by the median of rows, in seconds.
select
    median(
        epoch(cast(available_at as timestamp)) - epoch(cast(:period as timestamp))
    ) as seconds
from :source
