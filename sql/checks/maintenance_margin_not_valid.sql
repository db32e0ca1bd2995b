-- grain:  one row per offending row
-- reads:  :source
-- params: :initial
-- A fraction of exposure. Above the initial margin, every entry would be a margin call.
select *
from :source
where
    maintenance_margin <= 0
    or maintenance_margin > 1
    -- NaN is above 1, but not by the statistics of a file that leave it out.
    or not isfinite(maintenance_margin)
    or coalesce(maintenance_margin > :initial, false)
