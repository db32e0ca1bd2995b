-- grain:  one row per drawdown, the deepest first
-- reads:  equity
-- params: none
-- Each time below the highest equity so far, the initial capital included: from the bar of the peak
-- (NULL: the initial capital itself) over the bottom (the first of equal ones) to the bar that was
-- at the peak again (NULL: not yet). drawdown is equity / peak - 1, below 0; n_bars counts the bars
-- below the peak, n_days goes from the peak (else the first bar below it) to the recovery (else the
-- last bar).
with

peaks as (
    select
        timestamp,
        session,
        drawdown,
        max(case when drawdown = 0 then timestamp end) over (
            order by timestamp asc
        ) as peak,
        max(case when drawdown = 0 then session end) over (
            order by timestamp asc
        ) as peak_session,
        min(case when drawdown = 0 then timestamp end) over (
            order by timestamp desc
        ) as recovery,
        min(case when drawdown = 0 then session end) over (
            order by timestamp desc
        ) as recovery_session
    from main.equity
)

select
    row_number() over (order by min(drawdown) asc, min(timestamp) asc) as rank,
    peak as start,
    arg_min(timestamp, (drawdown, timestamp)) as bottom,
    recovery,
    min(drawdown) as drawdown,
    count(*) as n_bars,
    (
        coalesce(any_value(recovery_session), max(session))
        - coalesce(any_value(peak_session), min(session))
    )::integer as n_days
from peaks
where drawdown < 0
group by peak, recovery
order by rank asc
