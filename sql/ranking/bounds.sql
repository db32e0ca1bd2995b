-- grain:  one row per bar
-- reads:  :eligible
-- params: :best is max or min, :last the end of a list of what it gives, :n
-- The last of the :n best scores of each bar.
select
    t,
    :last(:best(__score, :n)) as __bound
from :eligible
group by t
