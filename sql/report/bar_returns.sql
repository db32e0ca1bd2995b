-- grain:  one row per bar
-- reads:  equity, benchmark, runs, report.calendar
-- params: none
-- What every metric of returns is made of. bar_return is equity / equity one bar before - 1, the
-- first against the initial capital, so that what the first day lost counts (quantstats and
-- empyrical do so too; ffn and pyfolio's table of drawdowns begin at the first close). NULL from
-- where nothing was left of the account. risk_free is the rate of the bar,
-- (1 + rate) ** (1 / bars per year) - 1, 0 without one; excess = bar_return - risk_free.
-- benchmark_return is that of benchmark_value; both are NULL without a benchmark.
with

changes as (
    select
        equity.timestamp,
        equity.session,
        equity.equity,
        benchmark.value,
        coalesce(
            lag(equity.equity) over (order by equity.timestamp asc),
            runs.initial_capital
        ) as previous,
        coalesce(
            lag(benchmark.value) over (order by equity.timestamp asc),
            runs.initial_capital
        ) as previous_value,
        coalesce(
            (1 + benchmark.risk_free_rate) ** (1 / calendar.bars_per_year) - 1, 0
        ) as risk_free
    from main.equity
    left join main.benchmark on equity.timestamp = benchmark.timestamp
    cross join main.runs
    cross join report.calendar
),

returns as (
    select
        *,
        case when previous > 0 then equity / previous - 1 end as bar_return,
        case when previous_value > 0 then value / previous_value - 1 end
            as benchmark_return
    from changes
)

select
    timestamp,
    session,
    equity,
    bar_return,
    risk_free,
    bar_return - risk_free as excess,
    value as benchmark_value,
    benchmark_return
from returns
order by timestamp asc
