-- grain:  one row per trial
-- reads:  :half_sharpes
-- params: :target
-- Trials by their Sharpe ratio per bar before a time, each with its rank before and after it, 1 the
-- best, of ties their mean; relative_rank is of after, from the worst on, see sweep/splits.sql.
create or replace temp table :target as
with

ranked as (
    select
        trial,
        first as in_sample,
        second as out_of_sample,
        count(*) over () as n_trials,
        rank() over (order by first desc)
        + (count(*) over (partition by first) - 1) / 2 as in_sample_rank,
        rank() over (order by second desc)
        + (count(*) over (partition by second) - 1) / 2 as out_of_sample_rank
    from (:half_sharpes)
)

select
    trial,
    in_sample_rank,
    out_of_sample_rank,
    in_sample,
    out_of_sample,
    (n_trials + 1 - out_of_sample_rank) / (n_trials + 1) as relative_rank
from ranked
order by in_sample_rank asc, trial asc
