-- grain:  one row per decision bar, horizon and quantile that is not empty
-- reads:  :pairs, stage.timeline
-- params: :target
-- formula: mean_return = mean forward return of the assets of the quantile, equally weighted;
--          excess_return = that less the mean of all assets of the bar
-- Quantile 1 has the lowest factors. As alphalens-reloaded 0.5.1 with by_date=True; its
-- figures over time are means over rows, ours are means over bars: each bar counts once.
create or replace temp table :target as
with

means as (
    select
        t,
        horizon,
        avg(forward_return order by sid) as mean_return
    from :pairs
    group by t, horizon
),

by_quantile as (
    select
        t,
        horizon,
        quantile,
        count(*) as n_assets,
        avg(forward_return order by sid) as mean_return
    from :pairs
    where quantile is not null
    group by t, horizon, quantile
)

select
    timeline.timestamp,
    by_quantile.horizon,
    by_quantile.quantile,
    by_quantile.n_assets,
    by_quantile.mean_return,
    by_quantile.mean_return - means.mean_return as excess_return
from by_quantile
inner join means on by_quantile.t = means.t and by_quantile.horizon = means.horizon
inner join stage.timeline as timeline on by_quantile.t = timeline.t
order by by_quantile.horizon asc, by_quantile.t asc, by_quantile.quantile asc
