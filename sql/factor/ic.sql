-- grain:  one row per decision bar and horizon
-- reads:  :pairs, stage.timeline
-- params: :target
-- formula: ic = Pearson's correlation of factor and forward return among the assets of the bar;
--          rank_ic = Spearman's, that of their ranks, ties at the mean of theirs
-- source:  Grinold and Kahn, Active Portfolio Management, 2000; Spearman, 1904
-- NULL where one of the two is the same for all assets. alphalens-reloaded 0.5.1 has the rank IC
-- alone, of closes; it leaves the last bars out of all horizons when one has no return there.
create or replace temp table :target as
with

summed as (
    select
        t,
        horizon,
        count(*) as n_assets,
        case
            when min(factor) < max(factor) and min(forward_return) < max(forward_return)
                then corr(factor, forward_return order by sid)
        end as ic,
        sum(double_rank) as x,
        sum(double_return_rank) as y,
        sum(double_rank * double_rank) as xx,
        sum(double_return_rank * double_return_rank) as yy,
        sum(double_rank * double_return_rank) as xy
    from :pairs
    group by t, horizon
),

varied as (
    select
        *,
        (n_assets * xx - x * x)::double as x_spread,
        (n_assets * yy - y * y)::double as y_spread
    from summed
)

select
    timeline.timestamp,
    varied.horizon,
    varied.n_assets,
    varied.ic,
    case
        when varied.x_spread > 0 and varied.y_spread > 0
            then
                (varied.n_assets * varied.xy - varied.x * varied.y)::double
                / (sqrt(varied.x_spread) * sqrt(varied.y_spread))
    end as rank_ic
from varied
inner join stage.timeline as timeline on varied.t = timeline.t
order by varied.horizon asc, varied.t asc
