-- grain:  one row
-- reads:  :tried
-- params: none
-- How many trials the best one was chosen from. One that ran to its end counts, also without a
-- Sharpe ratio because it never traded: it could have been chosen (skfolio 1.12.2 counts only those
-- that have one). A failed one could not: it adds nothing to the largest of many, and is told
-- apart. variance: of the annual Sharpe ratios, over n - 1.
select
    count(*) as n_tried,
    count(*) filter (where is_failed) as n_failed,
    count(*) filter (where not is_failed and sharpe is null) as n_without_sharpe,
    count(*) filter (where not is_failed) as n_trials,
    var_samp(sharpe order by trial) as variance
from :tried
