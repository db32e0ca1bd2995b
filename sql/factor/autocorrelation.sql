-- grain:  one row per decision bar but the first
-- reads:  :moves, stage.timeline
-- params: :target
-- formula: Pearson's correlation of an asset's rank with its rank at the decision before
-- Ranks are among all assets of their bar, as in alphalens-reloaded 0.5.1; correlated are those of
-- the assets that have both.
create or replace temp table :target as
with

summed as (
    select
        t,
        count(last_double_rank) as n_assets,
        sum(double_rank) filter (where last_double_rank is not null) as x,
        sum(last_double_rank) as y,
        sum(double_rank * double_rank)
        filter (where last_double_rank is not null) as xx,
        sum(last_double_rank * last_double_rank) as yy,
        sum(double_rank * last_double_rank) as xy
    from :moves
    group by t
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
    varied.n_assets,
    case
        when varied.x_spread > 0 and varied.y_spread > 0
            then
                (varied.n_assets * varied.xy - varied.x * varied.y)::double
                / (sqrt(varied.x_spread) * sqrt(varied.y_spread))
    end as rank_autocorrelation
from varied
inner join stage.timeline as timeline on varied.t = timeline.t
order by varied.t asc
