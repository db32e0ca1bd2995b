-- grain:  one row per trial
-- reads:  main.trials
-- params: :metric
-- A metric of every trial, in their order; NULL where it failed or has none.
select cast(:metric as double) as score
from main.trials
order by trial asc
