-- grain:  one row
-- reads:  report.bar_returns
-- params: none
-- What the probabilistic and the deflated Sharpe ratio rest on: the excess returns per bar, their
-- Sharpe ratio per bar (not annual; sd over n - 1), and their skew and excess kurtosis as estimated
-- from a sample (Joanes and Gill 1998, Comparing measures of sample skewness and kurtosis: G1, G2),
-- as pandas, quantstats 0.0.86 and ffn 1.4.1 have them; scipy, pyfolio 0.10.1 and skfolio 1.12.2
-- give g1 and g2, of n, and skfolio's kurtosis is 3 more.
-- NULL below 4 bars, and where returns differ by rounding alone: all alike to 12 digits.
with

excess_returns as (
    select
        timestamp,
        excess
    from report.bar_returns
    where excess is not null
),

means as (
    select
        count(*) as n_returns,
        avg(excess order by timestamp) as mean,
        stddev_samp(excess order by timestamp) as deviation
    from excess_returns
    having count(*) >= 4 and round(max(excess) - min(excess), 12) > 0
),

-- Powers of deviations, summed at last: sums of raw powers would cancel.
moments as (
    select
        any_value(means.n_returns) as n,
        any_value(means.mean / means.deviation) as sharpe_per_bar,
        avg((excess_returns.excess - means.mean) ** 2 order by excess_returns.timestamp)
            as second,
        avg((excess_returns.excess - means.mean) ** 3 order by excess_returns.timestamp)
            as third,
        avg((excess_returns.excess - means.mean) ** 4 order by excess_returns.timestamp)
            as fourth
    from excess_returns
    cross join means
)

select
    n as n_returns,
    sharpe_per_bar,
    sqrt(n * (n - 1)::double) / (n - 2) * third / second ** 1.5 as skew,
    (n - 1) / ((n - 2) * (n - 3)::double)
    * ((n + 1) * (fourth / second ** 2 - 3) + 6) as kurtosis
from moments
