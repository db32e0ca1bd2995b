-- grain:  one row per run with a bar
-- reads:  report.bar_returns
-- params: none
-- The returns of every run as lists, bar after bar.
select
    run_number,
    list(timestamp order by timestamp) as timestamps,
    list(session order by timestamp) as sessions,
    list(bar_return order by timestamp) as bar_returns,
    list(excess order by timestamp) as excess_returns
from report.bar_returns
group by run_number
