-- grain:  one row per horizon and quantile
-- reads:  :quantile_returns, :turnover
-- params: :target
-- formula: means over the decisions of what quantile_returns and turnover have;
--          t_stat = mean / sample standard deviation * sqrt(n), decisions taken as independent
create or replace temp table :target as
with

returned as (
    select
        horizon,
        quantile,
        count(*) as n_decisions,
        avg(n_assets) as mean_n_assets,
        avg(mean_return) as mean_return,
        avg(mean_return) / nullif(stddev_samp(mean_return), 0)
        * sqrt(count(*)) as t_stat,
        avg(excess_return) as mean_excess_return,
        avg(excess_return) / nullif(stddev_samp(excess_return), 0)
        * sqrt(count(*)) as excess_t_stat
    from :quantile_returns
    group by horizon, quantile
),

turned as (
    select
        quantile,
        avg(turnover) as mean_turnover
    from :turnover
    group by quantile
)

select
    returned.*,
    turned.mean_turnover
from returned
left join turned on returned.quantile = turned.quantile
order by returned.horizon asc, returned.quantile asc
