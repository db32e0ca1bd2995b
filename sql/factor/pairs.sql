-- grain:  one row per decision bar, asset and horizon with a forward return
-- reads:  :scores, :forward_returns
-- params: :target
-- Factor and forward return side by side, with twice the rank of each among the assets that have
-- both. Where all have a return the factor's rank is that of the scores: ranking is what costs.
create or replace temp table :target as
with

counted as (
    select
        forward_returns.*,
        scores.decision,
        scores.factor,
        scores.group_name,
        scores.quantile,
        scores.double_rank,
        scores.n_assets as n_scored,
        rank() over by_return as lowest_return_rank,
        count(*) over (
            partition by forward_returns.t, forward_returns.horizon
            order by forward_returns.forward_return
            range between current row and current row
        ) as n_tied,
        count(*) over (
            partition by forward_returns.t, forward_returns.horizon
        ) as n_assets
    from :forward_returns as forward_returns
    inner join :scores as scores
        on forward_returns.t = scores.t and forward_returns.sid = scores.sid
    window
        by_return as (
            partition by forward_returns.t, forward_returns.horizon
            order by forward_returns.forward_return
        )
),

ranked_again as (
    select
        t,
        horizon,
        sid,
        2 * rank() over by_factor
        + count(*)
            over (
                partition by t, horizon
                order by factor
                range between current row and current row
            )
        - 1 as double_rank
    from counted
    where n_assets < n_scored
    window by_factor as (partition by t, horizon order by factor)
)

select
    counted.t,
    counted.decision,
    counted.horizon,
    counted.sid,
    counted.factor,
    counted.group_name,
    counted.quantile,
    counted.forward_return,
    counted.n_assets,
    coalesce(ranked_again.double_rank, counted.double_rank) as double_rank,
    2 * counted.lowest_return_rank + counted.n_tied - 1 as double_return_rank
from counted
left join ranked_again
    on
        counted.t = ranked_again.t
        and counted.horizon = ranked_again.horizon
        and counted.sid = ranked_again.sid
