-- grain:  one row per decision bar but the first, and quantile that is not empty
-- reads:  :moves, stage.timeline
-- params: :target
-- formula: share of the names of a quantile that were not in it at the decision before
-- As alphalens-reloaded 0.5.1 with period=1; what left a quantile is not counted, what entered is.
create or replace temp table :target as
with

counted as (
    select
        t,
        quantile,
        count(*) as n_assets,
        count(*) filter (where last_quantile is distinct from quantile) as n_new
    from :moves
    where quantile is not null
    group by t, quantile
)

select
    timeline.timestamp,
    counted.quantile,
    counted.n_assets,
    counted.n_new / counted.n_assets as turnover
from counted
inner join stage.timeline as timeline on counted.t = timeline.t
order by counted.quantile asc, counted.t asc
