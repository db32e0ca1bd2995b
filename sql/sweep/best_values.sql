-- grain:  one row per halving
-- reads:  :half_sharpes
-- params: :target
-- The best Sharpe ratio of each half, and the mean of all: of whole trillionths, as their sum does
-- not depend on the order in which threads add them.
create or replace temp table :target as
select
    halving,
    max(first) as best_first,
    max(second) as best_second,
    count(*) as n_trials,
    sum(round(first * 1e12)::hugeint)::double / 1e12 / count(*) as mean_first,
    sum(round(second * 1e12)::hugeint)::double / 1e12 / count(*) as mean_second
from (:half_sharpes)
group by halving
