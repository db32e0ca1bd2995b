-- grain:  one row per offending row
-- reads:  :source
-- params: none
-- Volume is a count of shares; NULL is allowed, it says that nobody counted.
select *
from :source
where volume < 0 or not isfinite(volume::double)
