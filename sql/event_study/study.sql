-- grain:  one row per offset from the event, in bars
-- reads:  :paths
-- params: :target
-- formula: means over the events; t_stat = mean / sample standard deviation * sqrt(n) of the
--          abnormal returns, events taken as independent
-- source:  MacKinlay, Event Studies in Economics and Finance, Journal of Economic Literature 35, 1997
-- Events of one time move together: many at once make t_stat too large. As
-- alphalens-reloaded's average_cumulative_return_by_quantile for closes, which takes one factor's
-- quantiles and the mean of the bar for its demeaned returns.
create or replace temp table :target as
select
    bar_offset,
    count(*) as n_events,
    avg(cumulative_return) as mean_return,
    median(cumulative_return) as median_return,
    avg(abnormal_return) as mean_abnormal_return,
    stddev_samp(abnormal_return) / sqrt(count(*)) as std_error,
    avg(abnormal_return)
    / nullif(stddev_samp(abnormal_return) / sqrt(count(*)), 0) as t_stat
from :paths
group by bar_offset
order by bar_offset asc
