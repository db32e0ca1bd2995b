-- grain:  one row
-- reads:  trial_returns, :contenders
-- params: none
-- Mean correlation of the returns of all pairs of n trials, without a table of pairs: with z the
-- returns less their mean, over the root of the sum of their squares,
--     mean = (sum over bars of (sum over trials of z) ** 2 - n) / (n * (n - 1))
-- (Bailey and Lopez de Prado 2014, The deflated Sharpe ratio, appendix 3). A bar at which a trial
-- has no return counts as its mean. NULL below two trials.
with

deviations as (
    select
        trial_returns.trial,
        trial_returns.timestamp,
        trial_returns.excess - contenders.mean as deviation
    from main.trial_returns
    inner join :contenders as contenders
        on trial_returns.trial = contenders.trial
    where trial_returns.excess is not null
),

lengths as (
    select
        trial,
        sqrt(sum(deviation ** 2 order by timestamp)) as length
    from deviations
    group by trial
),

bar_sums as (
    select
        deviations.timestamp,
        sum(deviations.deviation / lengths.length order by deviations.trial) as total
    from deviations
    inner join lengths on deviations.trial = lengths.trial
    group by deviations.timestamp
),

squares as (
    select sum(total ** 2 order by timestamp) as square
    from bar_sums
),

sizes as (
    select count(*) as n
    from lengths
)

select
    case
        when sizes.n > 1 then (squares.square - sizes.n) / (sizes.n * (sizes.n - 1.0))
    end as mean_correlation
from squares
cross join sizes
