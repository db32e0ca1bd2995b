-- grain:  one row per halving
-- reads:  :half_sharpes, :best_trials
-- params: :target
-- How many trials the best one of either half is above in the other half, and how many are equal,
-- itself among them.
create or replace temp table :target as
select
    sharpes.halving,
    count(*) filter (where sharpes.second < best_trials.other_of_first)
        as n_below_first,
    count(*) filter (where sharpes.second = best_trials.other_of_first)
        as n_equal_first,
    count(*) filter (where sharpes.first < best_trials.other_of_second)
        as n_below_second,
    count(*) filter (where sharpes.first = best_trials.other_of_second)
        as n_equal_second
from (:half_sharpes) as sharpes
inner join :best_trials as best_trials on sharpes.halving = best_trials.halving
group by sharpes.halving
