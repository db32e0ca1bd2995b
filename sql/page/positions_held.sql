-- grain:  one row per bar
-- reads:  report.exposures
-- params: none
-- Assets held at each close, and how many of equal size would be as concentrated.
select
    timestamp,
    n_long + n_short as n_positions,
    effective_positions
from report.exposures
order by timestamp asc
