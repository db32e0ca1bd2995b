-- grain:  one row
-- reads:  :splits
-- params: $n_bars, $n_blocks, $no_area, :target
-- formula: pbo = share of splits with logit <= 0: the best trial of one half is not above the
--          median of the other;
--          slope, intercept, r_squared: least squares of out_of_sample on in_sample;
--          probability_of_loss = share of splits with out_of_sample < 0;
--          is_dominant_first_order: Prob[best <= x] <= Prob[mean of all <= x] at every x, and less
--          at some; is_dominant_second_order: so for the integrals of both up to x
-- source:  Bailey, Borwein, Lopez de Prado and Zhu 2017, The probability of backtest overfitting
-- A logit of 0, the median of an odd number of trials, counts as overfit (R's pbo 1.3.5, pypbo,
-- holdout-backtest 0.1.0 and phacker 0.1.0 too; purgedcv 0.1.11 does not count it). pypbo and R's
-- pbo set the best beside all trials of all splits, not beside their means.
create or replace temp table :target as
with

-- Of both at once: n times the difference of their distribution functions, from each value on.
steps as (
    select
        value,
        sum(step) as step
    from (
        select
            mean_out_of_sample as value,
            1 as step
        from :splits
        union all
        select
            out_of_sample as value,
            -1 as step
        from :splits
    )
    group by value
),

differences as (
    select
        value,
        sum(step) over (order by value asc) as difference,
        lead(value) over (order by value asc) - value as width
    from steps
),

areas as (
    select
        difference,
        sum(difference * width) over (order by value asc) as area
    from differences
),

-- Areas are sums of doubles: what is below 0 by rounding alone is 0.
dominance as (
    select
        min(difference) >= 0 and max(difference) > 0 as is_dominant_first_order,
        coalesce(min(area) >= -$no_area and max(area) > $no_area, false)
            as is_dominant_second_order
    from areas
)

select
    count(*) filter (where splits.logit <= 0) / count(*) as pbo,
    count(*) filter (where splits.out_of_sample < 0) / count(*) as probability_of_loss,
    count(*) as n_splits,
    any_value(splits.n_trials) as n_trials,
    $n_bars as n_bars,
    $n_blocks as n_blocks,
    median(splits.relative_rank) as median_relative_rank,
    regr_slope(splits.out_of_sample, splits.in_sample order by splits.split) as slope,
    regr_intercept(splits.out_of_sample, splits.in_sample order by splits.split)
        as intercept,
    regr_r2(splits.out_of_sample, splits.in_sample order by splits.split) as r_squared,
    any_value(dominance.is_dominant_first_order) as is_dominant_first_order,
    any_value(dominance.is_dominant_second_order) as is_dominant_second_order
from :splits as splits
cross join dominance
