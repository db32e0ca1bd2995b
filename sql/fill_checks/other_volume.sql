-- grain:  one row per offending fill
-- reads:  :rows
-- params: none
-- The run wrote down what traded in the bar; the catalog has another number.
select
    timestamp,
    asset_id,
    'the run has a volume of ' || volume || ', prices ' || bar_volume as what
from :rows
where volume <> bar_volume
