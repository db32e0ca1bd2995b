-- grain:  one row
-- reads:  :ranks
-- params: $n_before, $n_bars, :target
-- The best trial before a time and where it is from then on, and how far ranks before tell those
-- after: the correlation of both (Spearman); NULL where all of a side are alike.
create or replace temp table :target as
with

correlation as (
    select
        count(*) as n_trials,
        case
            when stddev_pop(in_sample_rank) > 0 and stddev_pop(out_of_sample_rank) > 0
                then corr(in_sample_rank, out_of_sample_rank order by trial)
        end as rank_correlation
    from :ranks
)

select
    ranks.trial,
    ranks.out_of_sample_rank,
    correlation.n_trials,
    correlation.rank_correlation,
    ranks.relative_rank,
    ranks.in_sample,
    ranks.out_of_sample,
    $n_before as n_bars_in_sample,
    $n_bars - $n_before as n_bars_out_of_sample
from :ranks as ranks
cross join correlation
order by ranks.in_sample_rank asc, ranks.trial asc
limit 1
