-- grain:  one row per offending input
-- reads:  :rows
-- params: none
-- A decision reads of each source what was known at its bar.
select
    bar as timestamp,
    asset_id,
    source || case
        when available_at is null then ' shows a value, and has no row that was known'
        when available_at > bar then ' shows a row that is known since ' || available_at
        else ' has no such row that is known since ' || available_at
    end as what
from :rows
where not is_known
