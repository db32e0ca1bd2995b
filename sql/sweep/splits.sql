-- grain:  one row per split into a half to choose in and a half to see what came of it
-- reads:  :halvings, :best_values, :best_trials, :best_ranks
-- params: $n_half, :target
-- formula: relative_rank = rank from the worst on / (n_trials + 1), logit = ln(w / (1 - w)) of it
-- source:  Bailey, Borwein, Lopez de Prado and Zhu 2017, The probability of backtest overfitting
-- Ranks of ties are their mean (R's pbo 1.3.5, pypbo, holdout-backtest 0.1.0 and purgedcv 0.1.11
-- too; phacker 0.1.0 has the lowest, and R's pbo divides by n_trials: the logit of the best of all
-- is infinite there). rank counts from the best on.
create or replace temp table :target as
with

halved as (
    select
        halvings.*,
        best_values.* exclude (halving),
        best_trials.* exclude (halving),
        best_ranks.* exclude (halving)
    from :halvings as halvings
    inner join :best_values as best_values on halvings.halving = best_values.halving
    inner join :best_trials as best_trials on halvings.halving = best_trials.halving
    inner join :best_ranks as best_ranks on halvings.halving = best_ranks.halving
),

directions as (
    select
        halving * 2 - 1 as split,
        low,
        high,
        trial_first as trial,
        best_first as in_sample,
        other_of_first as out_of_sample,
        mean_second as mean_out_of_sample,
        n_trials,
        n_below_first as n_below,
        n_equal_first as n_equal
    from halved
    union all
    select
        halving * 2 as split,
        (1 << $n_half) - 1 - low as low,
        (1 << $n_half) - 1 - high as high,
        trial_second as trial,
        best_second as in_sample,
        other_of_second as out_of_sample,
        mean_first as mean_out_of_sample,
        n_trials,
        n_below_second as n_below,
        n_equal_second as n_equal
    from halved
),

ranked as (
    select
        *,
        n_trials - n_below - (n_equal - 1) / 2 as rank,
        (n_below + (n_equal + 1) / 2) / (n_trials + 1) as relative_rank
    from directions
)

select
    split,
    list_filter(
        range(1, 2 * $n_half + 1),
        lambda block: (low | (high << $n_half)) >> (block - 1)::integer & 1 = 1
    ) as in_sample_blocks,
    trial,
    in_sample,
    out_of_sample,
    rank,
    n_trials,
    relative_rank,
    ln(relative_rank / (1 - relative_rank)) as logit,
    mean_out_of_sample
from ranked
order by split asc
