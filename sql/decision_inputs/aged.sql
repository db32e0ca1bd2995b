-- grain:  one row per row of :inputs
-- reads:  :inputs
-- params: none
-- How old what was read was when it was read, in days; what is known since ever has no age.
select
    source,
    timestamp as bar,
    asset_id,
    available_at,
    case
        when isfinite(available_at)
            then (epoch(timestamp) - epoch(available_at)) / 86400
    end as age_days,
    is_known
from :inputs
order by
    source asc,
    timestamp asc,
    asset_id asc nulls first
