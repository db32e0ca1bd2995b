-- grain:  one row per halving
-- reads:  :half_sharpes, :best_values
-- params: :target
-- The best trial of each half, of equal ones the first, and what it has in the other half.
create or replace temp table :target as
select
    sharpes.halving,
    min(sharpes.trial) filter (where sharpes.first = best_values.best_first)
        as trial_first,
    min(sharpes.trial) filter (where sharpes.second = best_values.best_second)
        as trial_second,
    arg_min(sharpes.second, sharpes.trial)
    filter (where sharpes.first = best_values.best_first) as other_of_first,
    arg_min(sharpes.first, sharpes.trial)
    filter (where sharpes.second = best_values.best_second) as other_of_second
from (:half_sharpes) as sharpes
inner join :best_values as best_values on sharpes.halving = best_values.halving
group by sharpes.halving
