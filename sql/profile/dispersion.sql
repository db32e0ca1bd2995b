-- grain:  one row per period with a bar at which two assets have a finite value
-- reads:  :at_bars
-- params: :source, :column_name, :value, :period
-- formula: at each bar the mean and the sample standard deviation among the assets; means of these
--          over the bars of the period
-- At the bars of n_bars_alike all assets have one value: there the column cannot rank.
with

by_bar as (
    select
        timestamp,
        count(*) as n_assets,
        avg((:value)::double order by sid) as mean,
        stddev_samp((:value)::double order by sid) as std,
        min((:value)::double) = max((:value)::double) as is_alike
    from :at_bars
    where isfinite((:value)::double)
    group by timestamp
    having count(*) > 1
)

select
    :source as source,
    :column_name as column_name,
    date_trunc(:period, timestamp)::date as period,
    count(*) as n_bars,
    avg(n_assets) as mean_n_assets,
    avg(mean order by timestamp) as mean_of_means,
    avg(std order by timestamp) as mean_std,
    min(std) as min_std,
    count(*) filter (where is_alike) as n_bars_alike
from by_bar
group by date_trunc(:period, timestamp)::date
