"""The views of metrics: one row each, together they are ``report.metrics``.

Every metric is a column of one of them and says here what it means; the formula is in its file.
"""

from __future__ import annotations

from ml4t.backtest.results.report.view import View

CALENDAR = View(
    name="calendar",
    comment="how many bars a year has, and from where that is known",
    columns={
        "n_sessions": "trading dates with a bar",
        "bars_per_session": "bars of a trading date",
        "sessions_per_year": "trading dates of a year",
        "bars_per_year": "bars of a year, by which everything annual is annual",
        "annualised_by": "from where that is known: stated, the calendar, counted or assumed",
    },
    is_kept=True,
)
MOMENTS = View(
    name="sharpe_moments",
    comment="what the probabilistic and the deflated Sharpe ratio are made of",
    columns={
        "n_returns": "returns per bar",
        "sharpe_per_bar": "Sharpe ratio of one bar, not annual",
        "skew": "of the excess returns, as estimated from a sample",
        "kurtosis": "in excess of the normal distribution's 3",
    },
    is_kept=True,
)
# In the order in which `result.metrics` has them.
METRIC_VIEWS = (
    CALENDAR,
    View(
        name="return_metrics",
        comment="metrics of the returns per bar",
        columns={
            "first_timestamp": "first bar",
            "last_timestamp": "last bar",
            "n_bars": "bars",
            "years": "from the first bar to the last, of 365.25 days",
            "initial_capital": "account currency",
            "final_value": "equity at the last bar, account currency",
            "total_return": "final value / initial capital - 1",
            "cagr": "compound annual growth; NULL below 90 days",
            "calmar": "CAGR / -deepest drawdown",
            "volatility": "annual standard deviation of the returns per bar",
            "sharpe": "annual mean / standard deviation of what is above the risk-free rate",
            "sortino": "as Sharpe, over the root mean square of what is below it",
        },
        is_kept=True,
    ),
    View(
        name="benchmark_metrics",
        comment="metrics beside the benchmark",
        columns={
            "benchmark_return": "total return of the benchmark; NULL, as all these: none",
            "benchmark_cagr": "its compound annual growth",
            "benchmark_volatility": "its annual volatility",
            "benchmark_sharpe": "its Sharpe ratio",
            "benchmark_max_drawdown": "its deepest drawdown, 0 or below",
            "excess_return": "total return - that of the benchmark",
            "beta": "covariance with the benchmark / its variance, above the risk-free rate",
            "alpha": "annual mean above beta times the benchmark's",
            "correlation": "of the returns per bar with the benchmark's",
            "tracking_error": "annual standard deviation of the difference to the benchmark",
            "information_ratio": "annual mean / standard deviation of that difference",
            "up_capture": "mean return / the benchmark's, over bars at which it rose",
            "down_capture": "mean return / the benchmark's, over bars at which it fell",
        },
        is_kept=True,
    ),
    View(
        name="drawdown_metrics",
        comment="the deepest drawdown",
        columns={
            "max_drawdown": "lowest equity / highest equity before - 1, 0 or below",
            "max_drawdown_start": "bar of the peak; NULL: none, or the initial capital was it",
            "max_drawdown_bottom": "bar of the lowest equity",
            "max_drawdown_end": "bar at the peak again; NULL: not yet",
        },
        is_kept=True,
    ),
    View(
        name="trading_metrics",
        comment="metrics of turnover, exposure and costs",
        columns={
            "turnover": "value of all fills / mean equity, per year; both sides count",
            "exposure": "mean of gross exposure / equity",
            "net_exposure": "mean of net exposure / equity",
            "mean_positions": "mean number of assets held at a close",
            "n_orders": "orders",
            "n_trimmed": "orders filled but for less than 1%",
            "n_partial": "orders filled in part",
            "n_unfilled": "orders of which nothing filled",
            "n_fills": "fills",
            "commission": "account currency, positive = cost",
            "tax": "stamp duty and other taxes on fills, account currency, positive = cost",
            "fee": "what the broker passes on of fills, account currency, positive = cost",
            "slippage": "account currency, positive = cost",
            "impact": "market impact, account currency, positive = cost",
            "borrow": "fees for shares borrowed, account currency, positive = cost",
            "costs": "commission, tax, fee, slippage, impact and borrow fees together",
            "dividends": "account currency, positive = received",
            "interest": "account currency, positive = received",
        },
        is_kept=True,
    ),
    View(
        name="trade_metrics",
        comment="metrics of closed trades",
        columns={
            "n_trades": "closed trades: lot parts",
            "n_open_lots": "lots still open",
            "hit_rate": "share of winners among trades that won or lost",
            "profit_factor": "sum of the wins / -sum of the losses",
            "average_win": "mean P&L of the winners, account currency",
            "average_loss": "mean P&L of the losers, account currency, negative",
            "average_bars_held": "mean bars from entry to exit",
        },
        is_kept=True,
    ),
    View(
        name="tail_metrics",
        comment="metrics of the shape of the returns per bar",
        columns={
            "value_at_risk": "5% quantile of the returns per bar; a loss is negative",
            "conditional_value_at_risk": "mean of the returns at or below it; a loss is negative",
            "skew": "of the excess returns, as estimated from a sample",
            "kurtosis": "of the excess returns, 0 of a normal distribution",
            "tail_ratio": "|95% quantile / 5% quantile| of the returns",
            "omega": "sum of what is above the risk-free rate / sum of what is below it",
            "probabilistic_sharpe": "how likely the true Sharpe ratio is above 0",
        },
        is_kept=True,
    ),
    View(
        name="period_metrics",
        comment="metrics of days, months and years",
        columns={
            "best_day": "highest return of a trading date",
            "worst_day": "lowest return of a trading date",
            "best_month": "highest return of a calendar month",
            "worst_month": "lowest return of a calendar month",
            "best_year": "highest return of a calendar year",
            "worst_year": "lowest return of a calendar year",
            "up_days": "share of days that gained among those that moved",
            "up_months": "share of months that gained among those that moved",
            "longest_up_streak": "most days in a row that gained",
            "longest_down_streak": "most days in a row that lost",
            "gain_to_pain": "sum of the monthly returns / -sum of those below 0",
        },
        is_kept=True,
    ),
    View(
        name="pain_metrics",
        comment="metrics of all drawdowns",
        columns={
            "ulcer_index": "root mean square of the drawdown over all bars, 0 or above",
            "n_drawdowns": "times below a peak",
            "average_drawdown": "mean depth of the drawdowns, below 0",
            "longest_drawdown_days": "calendar days from peak to recovery, or to the last bar",
            "time_under_water": "share of the bars below the peak",
            "recovery_factor": "total return / -deepest drawdown",
        },
        is_kept=True,
    ),
    View(
        name="bet_metrics",
        comment="metrics of closed trades as bets",
        columns={
            "expectancy": "mean P&L of a closed trade, account currency",
            "largest_win": "highest P&L of a winner, account currency",
            "largest_loss": "lowest P&L of a loser, account currency, negative",
            "payoff_ratio": "mean return of the winners / -mean return of the losers",
            "kelly": "hit rate - (1 - hit rate) / payoff ratio; negative: do not bet",
            "sqn": "system quality number: root of n * mean / standard deviation of the P&L",
            "longest_win_streak": "most winners closed in a row",
            "longest_loss_streak": "most losers closed in a row",
        },
        is_kept=True,
    ),
    View(
        name="side_metrics",
        comment="metrics of long and short apart",
        columns={
            "long_pnl": "P&L of long trades and open lots, account currency",
            "short_pnl": "P&L of short trades and open lots, account currency",
            "n_long_trades": "closed long trades",
            "n_short_trades": "closed short trades",
            "long_hit_rate": "hit rate of the long trades",
            "short_hit_rate": "hit rate of the short trades",
        },
        is_kept=True,
    ),
    View(
        name="exposure_metrics",
        comment="metrics of exposure and concentration",
        columns={
            "long_exposure": "mean of long value / equity",
            "short_exposure": "mean of short value / equity, 0 or below",
            "max_gross_exposure": "highest gross exposure / equity at a close",
            "time_in_market": "share of the bars at whose close something was held",
            "largest_weight": "largest |value| / equity that a position ever had",
            "concentration": "mean Herfindahl index of what is held: 1 / n of n equal positions",
            "effective_positions": "mean of its inverse",
        },
        is_kept=True,
    ),
    View(
        name="cost_metrics",
        comment="metrics of what costs took",
        columns={
            "cost_drag": "all costs / mean equity, per year",
            "cost_share": "all costs / P&L before costs; NULL: there was no profit before costs",
        },
        is_kept=True,
    ),
    View(
        name="capacity_metrics",
        comment="metrics of the volume that was used",
        columns={
            "mean_volume_share": "mean |quantity| of a fill / volume of its bar; NULL: unknown",
            "max_volume_share": "the largest",
            "days_to_liquidate": "sessions to sell the largest position at a tenth of the volume",
        },
        is_kept=True,
    ),
)
# Which view has a metric, in that order.
METRICS = {name: view.name for view in METRIC_VIEWS for name in view.columns}
