-- grain:  one row
-- reads:  runs, report.calendar, report.bar_returns
-- params: none
-- The run beside its benchmark, over simple returns per bar r and b, above the risk-free return of
-- the bar f = (1 + rate) ** (1 / bars per year) - 1, over the bars at which r exists. NULL without a
-- benchmark. What is annual is the mean times, the deviation times the root of, bars per year.
-- beta = cov(r - f, b - f) / var(b - f); alpha = mean(r - f) - beta * mean(b - f), annual (Jensen
-- 1968, The performance of mutual funds). tracking_error = sd(r - b), information_ratio =
-- mean(r - b) / sd(r - b), both annual, sd over n - 1 (Goodwin 1998, The information ratio).
-- excess_return is the difference of the two total returns. up_capture = mean(r) / mean(b) over bars
-- with b > 0, down_capture with b < 0 (Bacon 2008, Practical portfolio performance measurement and
-- attribution: arithmetic means, not compounded).
with

bars as (
    select
        bar_returns.timestamp,
        bar_returns.equity,
        bar_returns.benchmark_value as value,
        bar_returns.bar_return,
        bar_returns.benchmark_return as benchmark_bar,
        bar_returns.risk_free,
        runs.initial_capital,
        calendar.bars_per_year,
        calendar.has_annual_return,
        bar_returns.benchmark_value / greatest(
            runs.initial_capital,
            max(bar_returns.benchmark_value) over (
                order by bar_returns.timestamp asc
            )
        ) - 1 as benchmark_drawdown
    from report.bar_returns
    cross join main.runs
    cross join report.calendar
    where bar_returns.benchmark_value is not null
),

own as (
    select
        last(value order by timestamp) as final_value,
        last(equity order by timestamp) as final_equity,
        any_value(initial_capital) as initial_capital,
        (epoch_us(max(timestamp)) - epoch_us(min(timestamp)))
        / (365.25 * 86400 * 1e6) as years,
        stddev_samp(benchmark_bar order by timestamp) as benchmark_deviation,
        avg(benchmark_bar - risk_free order by timestamp) as benchmark_mean,
        stddev_samp(benchmark_bar - risk_free order by timestamp)
            as benchmark_excess_deviation,
        min(benchmark_drawdown) as benchmark_max_drawdown,
        any_value(has_annual_return) as has_annual_return,
        case when count(*) > 1 then any_value(bars_per_year) end as bars_per_year
    from bars
),

pairs as (
    select
        covar_samp(
            bar_return - risk_free, benchmark_bar - risk_free order by timestamp
        ) as covariance,
        var_samp(benchmark_bar - risk_free order by timestamp) as variance,
        corr(bar_return, benchmark_bar order by timestamp) as correlation,
        avg(bar_return - risk_free order by timestamp) as mean_excess,
        avg(benchmark_bar - risk_free order by timestamp) as mean_benchmark,
        avg(bar_return - benchmark_bar order by timestamp) as mean_active,
        stddev_samp(bar_return - benchmark_bar order by timestamp) as active_deviation,
        avg(bar_return order by timestamp) filter (where benchmark_bar > 0) as mean_up,
        avg(benchmark_bar order by timestamp) filter (where benchmark_bar > 0)
            as benchmark_up,
        avg(bar_return order by timestamp) filter (where benchmark_bar < 0)
            as mean_down,
        avg(benchmark_bar order by timestamp) filter (where benchmark_bar < 0)
            as benchmark_down
    from bars
    where bar_return is not null
)

select
    own.final_value / own.initial_capital - 1 as benchmark_return,
    case
        when own.has_annual_return and own.years > 0
            then (own.final_value / own.initial_capital) ** (1 / own.years) - 1
    end as benchmark_cagr,
    own.benchmark_deviation * sqrt(own.bars_per_year) as benchmark_volatility,
    case
        when own.benchmark_excess_deviation > 0
            then
                own.benchmark_mean / own.benchmark_excess_deviation
                * sqrt(own.bars_per_year)
    end as benchmark_sharpe,
    own.benchmark_max_drawdown,
    (own.final_equity - own.final_value) / own.initial_capital as excess_return,
    case when pairs.variance > 0 then pairs.covariance / pairs.variance end as beta,
    case
        when pairs.variance > 0
            then
                (
                    pairs.mean_excess
                    - pairs.covariance / pairs.variance * pairs.mean_benchmark
                ) * own.bars_per_year
    end as alpha,
    case when isfinite(pairs.correlation) then pairs.correlation end as correlation,
    pairs.active_deviation * sqrt(own.bars_per_year) as tracking_error,
    case
        when pairs.active_deviation > 0
            then pairs.mean_active / pairs.active_deviation * sqrt(own.bars_per_year)
    end as information_ratio,
    pairs.mean_up / pairs.benchmark_up as up_capture,
    pairs.mean_down / pairs.benchmark_down as down_capture
from own
cross join pairs
