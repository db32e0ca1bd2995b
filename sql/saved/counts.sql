-- grain:  one row
-- reads:  runs, equity
-- params: none
-- What a whole run has: one row of facts, and bars, each with a time of its own and a value.
select
    (select count(*) from runs) as n_runs,
    count(*) as n_bars,
    count(distinct timestamp) as n_times,
    count(equity) as n_values
from equity
