-- grain:  one row per run and bar
-- reads:  report.bar_returns
-- params: none
select
    timestamp,
    session,
    bar_return,
    excess
from report.bar_returns
order by run_number asc, timestamp asc
