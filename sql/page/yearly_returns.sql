-- grain:  one row per year with a bar
-- reads:  report.yearly_returns, report.bar_returns, runs
-- params: none
-- What each year made, of the run and of its benchmark (NULL without one).
with

closes as (
    select
        year(session) as year,
        arg_max(benchmark_value, timestamp) as value
    from report.bar_returns
    group by year(session)
),

compared as (
    select
        closes.year,
        closes.value / coalesce(
            lag(closes.value) over (order by closes.year asc), runs.initial_capital
        ) - 1 as benchmark_return
    from closes
    cross join main.runs
)

select
    yearly_returns.year::integer as year,
    yearly_returns."return",
    compared.benchmark_return
from report.yearly_returns
inner join compared on yearly_returns.year = compared.year
order by yearly_returns.year asc
