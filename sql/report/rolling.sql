-- grain:  one row per bar
-- reads:  report.bar_returns, report.calendar
-- params: none
-- Volatility, Sharpe and beta over the n_window bars up to each bar: half a year of them,
-- bars per year / 2 rounded (126 of daily bars of shares), at least 2. NULL until so many returns
-- are there. Annual, as in report.return_metrics and report.benchmark_metrics: sd over n - 1, root
-- of bars per year, excess over the risk-free return. pyfolio 0.10.1 and quantstats 0.0.86 agree
-- where 252 bars are a year, but for pyfolio's rolling_beta, whose window of n has n + 1 bars.
-- A window is summed in blocks that depend on the rows before it: the last digits may too.
with

windows as (
    select
        bar_returns.*,
        calendar.bars_per_year,
        greatest(2, round(coalesce(calendar.bars_per_year, 0) / 2))::bigint as n_window,
        n_window - 1 as n_before
    from report.bar_returns
    cross join report.calendar
),

sums as (
    select
        *,
        count(bar_return) over recent as n_returns,
        round(max(excess) over recent - min(excess) over recent, 12) > 0 as has_spread,
        avg(excess) over recent as mean_excess,
        stddev_samp(excess) over recent as excess_deviation,
        stddev_samp(bar_return) over recent as deviation,
        count(benchmark_return) over recent as n_compared,
        round(
            max(benchmark_return) over recent - min(benchmark_return) over recent, 12
        ) > 0 as has_benchmark_spread,
        covar_samp(excess, benchmark_return - risk_free) over recent as covariance,
        var_samp(benchmark_return - risk_free) over recent as variance
    from windows
    window recent as (
        order by timestamp asc rows between n_before preceding and current row
    )
)

select
    timestamp,
    n_window,
    case when n_returns = n_window then deviation * sqrt(bars_per_year) end
        as volatility,
    case
        when n_returns = n_window and has_spread and excess_deviation > 0
            then mean_excess / excess_deviation * sqrt(bars_per_year)
    end as sharpe,
    case
        when
            n_returns = n_window
            and n_compared = n_window
            and has_benchmark_spread
            and variance > 0
            then covariance / variance
    end as beta
from sums
order by timestamp asc
