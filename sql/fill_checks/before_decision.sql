-- grain:  one row per offending fill
-- reads:  :rows
-- params: $in_range
-- A run that fills at the very close at which it decides fills at no earlier bar.
select
    timestamp,
    asset_id,
    'filled at ' || timestamp || ', decided at the close of ' || created_at as what
from :rows
where
    timestamp < created_at
    or (timestamp = created_at and abs(gross - bar_close) > $in_range * bar_close)
