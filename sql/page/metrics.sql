-- grain:  one row
-- reads:  report.metrics
-- params: none
-- Every metric of the run, a column each.
select *
from report.metrics
