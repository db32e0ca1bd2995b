-- grain:  one row
-- reads:  report.metrics, report.bar_returns
-- params: none
-- Of a run by itself what `rows` says of each of many.
with

returns as (
    select
        list(timestamp order by timestamp) as timestamps,
        list(session order by timestamp) as sessions,
        list(bar_return order by timestamp) as bar_returns,
        list(excess order by timestamp) as excess_returns
    from report.bar_returns
)

select
    metrics.*,
    returns.*
from report.metrics as metrics
cross join returns
