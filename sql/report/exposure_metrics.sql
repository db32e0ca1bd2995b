-- grain:  one row
-- reads:  report.exposures
-- params: none
-- Means over the bars, and extremes. long_exposure and short_exposure are means over the bars with
-- equity, of equity, the short one 0 or below; max_gross_exposure is the highest leverage at a
-- close. time_in_market: share of the bars at whose close something was held. concentration and
-- effective_positions: means over those bars, see report.exposures. largest_weight: the largest
-- share of equity that one position ever had.
select
    avg(long_exposure order by timestamp) as long_exposure,
    avg(short_exposure order by timestamp) as short_exposure,
    max(gross_exposure) as max_gross_exposure,
    avg((n_long + n_short > 0)::integer) as time_in_market,
    max(largest_weight) as largest_weight,
    avg(concentration order by timestamp) as concentration,
    avg(effective_positions order by timestamp) as effective_positions
from report.exposures
