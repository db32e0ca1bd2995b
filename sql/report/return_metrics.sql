-- grain:  one row
-- reads:  equity, runs, report.calendar, report.bar_returns
-- params: none
-- Of the returns per bar, see report.bar_returns. What is annual rests on bars per year,
-- see report.calendar; CAGR on the days that went by (a year is 365.25 of them), and a run of few
-- has none: compounding it would say what nobody saw. Sharpe and Sortino are of what is above the
-- risk-free return of each bar, (1 + rate) ** (1 / bars per year) - 1, and above 0 without a rate:
-- mean / sd of it (Sharpe 1994, The Sharpe ratio), and mean / root of the mean square of what is
-- below 0 (Sortino and Price 1994, Performance measurement in a downside risk framework).
with

span as (
    select
        count(*) as n_bars,
        min(timestamp) as first_timestamp,
        max(timestamp) as last_timestamp,
        (epoch_us(max(timestamp)) - epoch_us(min(timestamp)))
        / (365.25 * 86400 * 1e6) as years,
        arg_max(equity, timestamp) as final_value,
        any_value(calendar.bars_per_year) as bars_per_year,
        any_value(calendar.has_annual_return) as has_annual_return,
        -- In the order of bars: a sum of doubles depends on it, and a join keeps none.
        avg(excess order by timestamp) as mean_excess,
        stddev_samp(excess order by timestamp) as excess_volatility,
        stddev_samp(bar_return order by timestamp) as bar_volatility,
        -- least() skips a NULL: unguarded, a bar without a return would count as one of 0.
        sqrt(
            avg(least(excess, 0) ** 2 order by timestamp)
            filter (where excess is not null)
        ) as bar_downside
    from report.bar_returns
    cross join report.calendar
),

annual as (
    select
        span.* exclude (bars_per_year),
        runs.initial_capital,
        case when span.n_bars > 1 then span.bars_per_year end as bars_per_year
    from span
    cross join main.runs
)

select
    first_timestamp,
    last_timestamp,
    n_bars,
    years,
    initial_capital,
    final_value,
    final_value / initial_capital - 1 as total_return,
    case
        when has_annual_return and years > 0 and final_value > 0
            then (final_value / initial_capital) ** (1 / years) - 1
    end as cagr,
    case
        when (select min(drawdown) from main.equity) < 0
            then cagr / -(select min(drawdown) from main.equity)
    end as calmar,
    bar_volatility * sqrt(bars_per_year) as volatility,
    case
        when excess_volatility > 0
            then mean_excess / excess_volatility * sqrt(bars_per_year)
    end as sharpe,
    case
        when bar_downside > 0
            then mean_excess / bar_downside * sqrt(bars_per_year)
    end as sortino
from annual
