-- grain:  one row per decision bar and horizon on which both outer quantiles have assets
-- reads:  :quantile_returns
-- params: :target, $n_quantiles
-- formula: mean forward return of the highest quantile less that of the lowest
-- Long the top, short the bottom, 1 in each, before costs; horizons longer than the bars between
-- decisions overlap. alphalens-reloaded 0.5.1 has the half of it, as of 1/2 in each.
create or replace temp table :target as
select
    bottom.timestamp,
    bottom.horizon,
    top.mean_return - bottom.mean_return as spread
from :quantile_returns as bottom
inner join :quantile_returns as top
    on bottom.timestamp = top.timestamp and bottom.horizon = top.horizon
where bottom.quantile = 1 and top.quantile = $n_quantiles
order by bottom.horizon asc, bottom.timestamp asc
