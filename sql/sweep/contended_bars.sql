-- grain:  one row per bar
-- reads:  trial_returns, :contenders
-- params: none
-- The bars of the trials that are compared.
select distinct trial_returns.timestamp
from main.trial_returns
semi join :contenders as contenders
    on trial_returns.trial = contenders.trial
