-- grain:  one row per bar
-- reads:  equity, benchmark, runs
-- params: none
-- How far below its highest value each was, the initial capital counted as the first of them.
select
    equity.timestamp,
    equity.drawdown,
    benchmark.value / greatest(
        runs.initial_capital,
        max(benchmark.value) over (order by equity.timestamp asc)
    ) - 1 as benchmark_drawdown
from main.equity
left join main.benchmark on equity.timestamp = benchmark.timestamp
cross join main.runs
order by equity.timestamp asc
