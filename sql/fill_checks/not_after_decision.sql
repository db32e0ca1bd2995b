-- grain:  one row per offending fill
-- reads:  :rows
-- params: none
-- What is decided at a close fills at a later bar: the close was known, and is over.
select
    timestamp,
    asset_id,
    'filled at ' || timestamp || ', decided at the close of ' || created_at as what
from :rows
where timestamp <= created_at
