-- grain:  one row, or none
-- reads:  :offending
-- params: none
-- How many rows offend, and the first of them in time.
select
    count(*) over () as n_failed,
    timestamp::varchar as bar,
    asset_id::varchar as asset_id,
    what
from (:offending) as offending
order by
    timestamp asc,
    asset_id asc,
    what asc
limit 1
