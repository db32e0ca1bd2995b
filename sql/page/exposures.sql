-- grain:  one row per bar
-- reads:  report.exposures
-- params: none
-- What was held at each close, as fractions of equity; NULL from where nothing was left of it.
select
    timestamp,
    long_exposure,
    short_exposure,
    net_exposure
from report.exposures
order by timestamp asc
