-- grain:  no row
-- reads:  :evidence
-- params: none
-- A run that wrote down nothing of what it read.
select
    null::varchar as source,
    name,
    timestamp,
    asset_id::varchar as asset_id,
    value_text as written,
    value_text as told,
    true as is_same
from :evidence
where false
