-- grain:  one row
-- reads:  information_schema.tables
-- params: none
-- Whether the sweep kept the returns of its trials: one that keeps metrics alone has no such table.
select count(*) > 0 as has_returns
from information_schema.tables
where table_name = 'trial_returns'
