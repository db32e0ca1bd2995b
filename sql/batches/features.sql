-- grain:  one row per (t, sid) with a feature row
-- reads:  :target
-- params: :columns
-- Feature values by bar, ready to be scattered into dense arrays.
select
    t,
    sid,
    :columns
from :target
