-- grain:  one row per offending value
-- reads:  :rows
-- params: none
-- The run wrote down what it read where it ordered; the source says something else for that bar.
select
    timestamp,
    asset_id,
    'the run read ' || name || ' as ' || written || '; by ' || source || ' it was '
    || coalesce(told, 'not known') as what
from :rows
where not is_same
