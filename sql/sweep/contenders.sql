-- grain:  one row per trial that can be ranked
-- reads:  trials, trial_returns
-- params: :target
-- Trials that did not fail and have a Sharpe ratio: two returns or more, that differ by more than
-- rounding, as in report.sharpe_moments. The mean is what sums of squares are taken about: sums of
-- raw squares would cancel.
create or replace temp table :target as
select
    trial_returns.trial,
    avg(trial_returns.excess order by trial_returns.timestamp) as mean
from main.trial_returns
semi join main.trials
    on trial_returns.trial = trials.trial and trials.error is null
where trial_returns.excess is not null
group by trial_returns.trial
having count(*) >= 2 and round(max(excess) - min(excess), 12) > 0
