-- grain:  one row per column of numbers and period
-- reads:  dispersion
-- params: none
-- The mean over the bars of the standard deviation among the assets; at n_bars_alike bars all
-- assets have one value, and the column cannot rank.
select
    concat(source, '.', column_name) as feature,
    period,
    mean_std,
    min_std,
    mean_of_means,
    n_bars,
    n_bars_alike
from dispersion
order by source asc, column_name asc, period asc
