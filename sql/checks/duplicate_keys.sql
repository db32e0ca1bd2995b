-- grain:  one row per offending row
-- reads:  :source
-- params: :keys
-- Two rows for one key: an as-of join would pick either, by chance.
select *
from :source
qualify count(*) over (partition by :keys) > 1
