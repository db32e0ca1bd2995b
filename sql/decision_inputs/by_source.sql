-- grain:  one row per source
-- reads:  :inputs
-- params: none
-- How old what decisions read of each source was.
select
    source,
    count(*) as n_inputs,
    count(*) filter (where available_at is null) as n_missing,
    count(*) filter (where not is_known) as n_not_known,
    min(age_days) as min_age_days,
    median(age_days) as median_age_days,
    max(age_days) as max_age_days
from :inputs
group by source
order by source asc
