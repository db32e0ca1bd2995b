-- grain:  one row
-- reads:  trials, :contenders
-- params: none
-- How many trials there are, how many failed, and how many can be ranked.
select
    count(*) as n_tried,
    count(trials.error) as n_failed,
    count(contenders.trial) as n_ranked
from main.trials
left join :contenders as contenders on trials.trial = contenders.trial
