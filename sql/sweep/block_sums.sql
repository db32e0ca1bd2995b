-- grain:  one row per trial and block
-- reads:  trial_returns, :contenders, :bars
-- params: :target
-- What the Sharpe ratio of any blocks together is made of: sums of deviations from the mean of the
-- trial, of the bars at which it has a return. In the order of bars: sums of doubles depend on it.
create or replace temp table :target as
with

deviations as (
    select
        trial_returns.trial,
        trial_returns.timestamp,
        bars.block,
        trial_returns.excess - contenders.mean as deviation
    from main.trial_returns
    inner join :contenders as contenders
        on trial_returns.trial = contenders.trial
    inner join :bars as bars
        on trial_returns.timestamp = bars.timestamp
    where trial_returns.excess is not null
),

sums as (
    select
        trial,
        block,
        count(*)::double as n,
        sum(deviation order by timestamp) as total,
        sum(deviation ** 2 order by timestamp) as squares
    from deviations
    group by trial, block
),

blocks as (
    select distinct block
    from :bars
)

select
    contenders.trial,
    contenders.mean,
    blocks.block,
    coalesce(sums.n, 0) as n,
    coalesce(sums.total, 0) as total,
    coalesce(sums.squares, 0) as squares
from :contenders as contenders
cross join blocks
left join sums
    on contenders.trial = sums.trial and blocks.block = sums.block
