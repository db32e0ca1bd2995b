-- grain:  one row per trial
-- reads:  :tried, :probabilities
-- params: $n_tried, $n_failed, $n_without_sharpe, $n_trials, $variance, $mean_correlation,
--         $n_independent, $maximum, $independent_maximum, :target
-- Each trial beside the best of so many by luck: expected_maximum is the Sharpe ratio SR0 of Bailey
-- and Lopez de Prado (2014), the root of the variance times what the largest of n_trials standard
-- normal numbers is on average. What is _independent takes n_independent for n_trials.
-- What was asked for comes first: a terminal leaves out the columns in the middle.
create or replace temp table :target as
select
    tried.trial,
    tried.sharpe,
    -- NumPy has NaN for what is missing.
    case
        when not isnan(probabilities.deflated_sharpe) then probabilities.deflated_sharpe
    end as deflated_sharpe,
    case
        when not isnan(probabilities.deflated_sharpe_independent)
            then probabilities.deflated_sharpe_independent
    end as deflated_sharpe_independent,
    tried.is_failed,
    tried.sharpe_per_bar,
    tried.n_returns,
    tried.skew,
    tried.kurtosis,
    sqrt($variance::double) * $maximum as expected_maximum,
    expected_maximum / sqrt(tried.bars_per_year) as expected_maximum_per_bar,
    sqrt($variance::double) * $independent_maximum::double
        as expected_maximum_independent,
    $n_trials as n_trials,
    $n_failed as n_failed,
    $n_without_sharpe as n_without_sharpe,
    $n_tried as n_tried,
    $variance::double as variance,
    $mean_correlation::double as mean_correlation,
    $n_independent::double as n_independent
from :tried as tried
inner join :probabilities as probabilities on tried.trial = probabilities.trial
order by tried.sharpe desc nulls last, tried.trial asc
