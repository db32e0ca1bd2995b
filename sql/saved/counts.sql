-- grain:  one row
-- reads:  runs, equity
-- params: none
-- What a whole run has: one row of facts, and bars.
select
    (select count(*) from runs) as n_runs,
    count(*) as n_bars
from equity
