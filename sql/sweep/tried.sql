-- grain:  one row per trial
-- reads:  trials
-- params: :target
-- What the deflated Sharpe ratio of a trial is made of, of the metrics alone: a sweep that keeps
-- no returns has them too. skew and kurtosis are of the returns per bar, see report.sharpe_moments.
create or replace temp table :target as
select
    trial,
    error is not null as is_failed,
    sharpe,
    bars_per_year,
    n_bars as n_returns,
    sharpe / sqrt(bars_per_year) as sharpe_per_bar,
    skew,
    kurtosis
from main.trials
