"""How each metric is written: a fraction as percent, an amount in the account's currency, ..."""

from __future__ import annotations

from collections.abc import Iterable

from ml4t.backtest.results.page.figure import Encoding, Format
from ml4t.backtest.results.report.metric_views import METRICS

_NAMES = {
    Format.TIME: """
        first_timestamp last_timestamp max_drawdown_start max_drawdown_bottom max_drawdown_end
    """,
    Format.TEXT: "annualised_by",
    Format.MONEY: """
        initial_capital final_value commission tax fee slippage impact borrow costs dividends
        interest average_win average_loss expectancy largest_win largest_loss long_pnl short_pnl
    """,
    Format.COUNT: """
        n_sessions n_bars n_orders n_trimmed n_partial n_unfilled n_fills n_trades n_open_lots
        longest_up_streak longest_down_streak n_drawdowns longest_drawdown_days longest_win_streak
        longest_loss_streak n_long_trades n_short_trades
    """,
    Format.PERCENT: """
        total_return cagr volatility benchmark_return benchmark_cagr benchmark_volatility
        benchmark_max_drawdown excess_return alpha tracking_error up_capture down_capture
        max_drawdown exposure net_exposure hit_rate value_at_risk conditional_value_at_risk
        probabilistic_sharpe best_day worst_day best_month worst_month best_year worst_year up_days
        up_months ulcer_index average_drawdown time_under_water kelly long_hit_rate short_hit_rate
        long_exposure short_exposure max_gross_exposure time_in_market largest_weight cost_drag
        cost_share mean_volume_share max_volume_share
    """,
}
_FORMATS = {name: one for one, names in _NAMES.items() for name in names.split()}
# Every metric, in the order of `result.metrics`; what is named nowhere above is a plain number.
METRIC_FORMATS = {name: _FORMATS.get(name, Format.NUMBER) for name in METRICS}

_WORDS = {"cagr": "CAGR", "sqn": "SQN", "sharpe": "Sharpe"}


def metric_label(name: str) -> str:
    """Return a metric's name in words: ``max_drawdown`` is Max drawdown."""
    words = name.removeprefix("n_").replace("_", " ") if name.startswith("n_") else name
    words = words.replace("_", " ").replace("pnl", "P&L")
    named = (_WORDS.get(word, word) for word in words.split())
    text = " ".join(named)
    return text[:1].upper() + text[1:]


def metrics_shown(names: Iterable[str]) -> tuple[Encoding, ...]:
    """Return metrics as columns of a figure."""
    return tuple(Encoding(name, metric_label(name), METRIC_FORMATS[name]) for name in names)
