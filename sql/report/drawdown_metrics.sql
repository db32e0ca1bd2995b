-- grain:  one row
-- reads:  equity, runs
-- params: none
-- The deepest fall from a peak: where it began, its bottom, and when equity was back.
with

bottom as (
    select
        timestamp,
        drawdown
    from main.equity
    order by drawdown asc, timestamp asc
    limit 1
),

peak as (
    select max(equity.timestamp) as timestamp
    from main.equity
    where
        equity.timestamp <= (select timestamp from bottom)
        and equity.drawdown = 0
),

recovery as (
    select min(equity.timestamp) as timestamp
    from main.equity
    where
        equity.timestamp > (select timestamp from bottom)
        and equity.drawdown = 0
)

select
    bottom.drawdown as max_drawdown,
    case when bottom.drawdown < 0 then peak.timestamp end as max_drawdown_start,
    case when bottom.drawdown < 0 then bottom.timestamp end as max_drawdown_bottom,
    case when bottom.drawdown < 0 then recovery.timestamp end as max_drawdown_end
from bottom
cross join peak
cross join recovery
