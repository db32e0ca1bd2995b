"""What packages of performance metrics say of series of returns.

    python run_metrics.py SERIES.json OUTPUT.json

Runs in the environment of ``benchmarks/peers/setup.sh metrics``. Writes
``{"versions": {package: version}, "numbers": {series: {metric: {package: value}}}}``; a value is
a number, a list of the last numbers, or None where the package gave NaN or nothing; a text is its
error.
A package that is called in two ways has a word after its name.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import empyrical
import ffn
import numpy as np
import pandas as pd
import quantstats.stats as qs
from pyfolio import timeseries as pyfolio
from scipy import stats
from skfolio.measures import _measures as skfolio

LAST = 20  # of a list are kept so many
# The name of each, and of what installs it.
PACKAGES = {
    "empyrical": "empyrical-reloaded",
    "ffn": "ffn",
    "pyfolio": "pyfolio-reloaded",
    "quantstats": "quantstats",
    "skfolio": "skfolio",
}


@dataclass
class Case:
    """One series, in the forms that packages take."""

    returns: pd.Series
    benchmark: pd.Series | None
    prices: pd.Series  # of 1 one period before the first bar
    trades: pd.Series
    weights: np.ndarray[Any, Any]
    periods: float
    trial_sharpes: list[float]

    @property
    def array(self) -> np.ndarray[Any, Any]:
        return self.returns.to_numpy()

    @property
    def window(self) -> int:
        return max(2, round(self.periods / 2))

    @property
    def monthly(self) -> pd.Series:
        """Compounded returns by month."""
        return self.returns.resample("ME").apply(lambda month: (1 + month).prod() - 1)


def case_of(series: dict[str, Any]) -> Case:
    """Return a series as a case."""
    index = pd.DatetimeIndex(series["times"])
    returns = pd.Series(series["returns"], index=index, dtype=float)
    given = series["benchmark"]
    benchmark = None if given is None else pd.Series(given, index=index, dtype=float)
    start = pd.Series([1.0], index=[index[0] - pd.Timedelta(days=1)])
    trades = pd.Series(series["trades"], dtype=float)
    trades.index = pd.date_range("2024-01-01", periods=len(trades))
    return Case(
        returns=returns,
        benchmark=benchmark,
        prices=pd.concat([start, (1 + returns).cumprod()]),
        trades=trades,
        weights=np.array(series["weights"], dtype=float),
        periods=series["periods"],
        trial_sharpes=series.get("trial_sharpes", [0.4, 1.1, 0.2, -0.3, 0.8]),
    )


Call = Callable[[Case], Any]
CALLS: dict[str, dict[str, Call]] = {
    "sharpe": {
        "empyrical": lambda c: empyrical.sharpe_ratio(c.returns, annualization=c.periods),
        "quantstats": lambda c: qs.sharpe(c.returns, periods=c.periods),
        "ffn": lambda c: ffn.calc_sharpe(c.returns, nperiods=c.periods),
    },
    "sortino": {
        "empyrical": lambda c: empyrical.sortino_ratio(c.returns, annualization=c.periods),
        "quantstats": lambda c: qs.sortino(c.returns, periods=c.periods),
        "ffn": lambda c: ffn.calc_sortino_ratio(c.returns, nperiods=c.periods),
    },
    "volatility": {
        "empyrical": lambda c: empyrical.annual_volatility(c.returns, annualization=c.periods),
        "quantstats": lambda c: qs.volatility(c.returns, periods=c.periods),
    },
    "max_drawdown": {
        "empyrical": lambda c: empyrical.max_drawdown(c.returns),
        "quantstats": lambda c: qs.max_drawdown(c.returns),
        "ffn": lambda c: ffn.calc_max_drawdown(c.prices),
        "ffn of closes": lambda c: ffn.calc_max_drawdown(c.prices.iloc[1:]),
        "skfolio compounded": lambda c: (
            -skfolio.max_drawdown(skfolio.get_drawdowns(c.array, compounded=True))
        ),
        "skfolio": lambda c: -skfolio.max_drawdown(skfolio.get_drawdowns(c.array)),
    },
    "value_at_risk": {
        "empyrical": lambda c: empyrical.value_at_risk(c.returns),
        "quantstats": lambda c: qs.value_at_risk(c.returns),
        "skfolio": lambda c: skfolio.value_at_risk(c.array),
    },
    "conditional_value_at_risk": {
        "empyrical": lambda c: empyrical.conditional_value_at_risk(c.returns),
        "quantstats historical": lambda c: qs.cvar(c.returns, method="historical"),
        "quantstats": lambda c: qs.cvar(c.returns),
        "skfolio": lambda c: skfolio.cvar(c.array),
    },
    "skew": {
        "quantstats": lambda c: qs.skew(c.returns),
        "pyfolio": lambda c: stats.skew(c.returns),  # as its perf_stats calls it
        "skfolio": lambda c: skfolio.skew(c.array),
    },
    "kurtosis": {
        "quantstats": lambda c: qs.kurtosis(c.returns),
        "pyfolio": lambda c: stats.kurtosis(c.returns),
        "skfolio": lambda c: skfolio.kurtosis(c.array),
    },
    "tail_ratio": {
        "empyrical": lambda c: empyrical.tail_ratio(c.returns),
        "quantstats": lambda c: qs.tail_ratio(c.returns),
    },
    "omega": {
        "empyrical": lambda c: empyrical.omega_ratio(c.returns),
        "quantstats": lambda c: qs.omega(c.returns),
    },
    "probabilistic_sharpe": {
        "quantstats": lambda c: qs.probabilistic_sharpe_ratio(c.returns),
        "skfolio": lambda c: skfolio.probabilistic_sharpe_ratio(c.array),
    },
    "deflated_sharpe": {
        "ffn": lambda c: ffn.calc_deflated_sharpe_ratio(
            c.returns, c.trial_sharpes, nperiods=c.periods
        ),
        "skfolio": lambda c: skfolio.deflated_sharpe_ratio(
            c.array, np.array(c.trial_sharpes) / math.sqrt(c.periods)
        ),
    },
    "ulcer_index": {
        "skfolio compounded": lambda c: skfolio.ulcer_index(
            skfolio.get_drawdowns(c.array, compounded=True)
        ),
        "skfolio": lambda c: skfolio.ulcer_index(skfolio.get_drawdowns(c.array)),
        "quantstats": lambda c: qs.ulcer_index(c.returns),
        "ffn": lambda c: ffn.to_ulcer_index(c.prices),
    },
    "drawdowns": {
        "quantstats": lambda c: _of_drawdowns(
            qs.drawdown_details(qs.to_drawdown_series(c.returns))
        ),
        "ffn": lambda c: _of_ffn(ffn.drawdown_details(ffn.to_drawdown_series(c.prices))),
        "pyfolio": lambda c: sorted(
            -pyfolio.gen_drawdown_table(c.returns, top=100)["Net drawdown in %"].dropna() / 100
        ),
    },
    "recovery_factor": {"quantstats": lambda c: qs.recovery_factor(c.returns)},
    "longest_up_streak": {"quantstats": lambda c: qs.consecutive_wins(c.returns, aggregate="D")},
    "longest_down_streak": {
        "quantstats": lambda c: qs.consecutive_losses(c.returns, aggregate="D")
    },
    "best_day": {"quantstats": lambda c: qs.best(c.returns, aggregate="D")},
    "worst_day": {"quantstats": lambda c: qs.worst(c.returns, aggregate="D")},
    "best_month": {"quantstats": lambda c: qs.best(c.returns, aggregate="ME")},
    "worst_month": {"quantstats": lambda c: qs.worst(c.returns, aggregate="ME")},
    "up_days": {"quantstats": lambda c: qs.win_rate(c.returns, aggregate="D")},
    "up_months": {"quantstats": lambda c: qs.win_rate(c.returns, aggregate="ME")},
    "monthly_returns": {
        "empyrical": lambda c: list(empyrical.aggregate_returns(c.returns, "monthly")),
        "quantstats": lambda c: _of_months(qs.monthly_returns(c.returns, eoy=False), c),
    },
    "yearly_returns": {
        "empyrical": lambda c: list(empyrical.aggregate_returns(c.returns, "yearly")),
    },
    "gain_to_pain": {
        "quantstats of months": lambda c: qs.gain_to_pain_ratio(c.monthly, resolution="ME"),
        "quantstats monthly": lambda c: qs.gain_to_pain_ratio(c.returns, resolution="ME"),
        "quantstats": lambda c: qs.gain_to_pain_ratio(c.returns),
    },
    "kelly": {"quantstats of trades": lambda c: qs.kelly_criterion(c.trades)},
    "payoff_ratio": {"quantstats of trades": lambda c: qs.payoff_ratio(c.trades)},
    "longest_win_streak": {"quantstats of trades": lambda c: qs.consecutive_wins(c.trades)},
    "longest_loss_streak": {"quantstats of trades": lambda c: qs.consecutive_losses(c.trades)},
    "rolling_sharpe": {
        "pyfolio": lambda c: list(pyfolio.rolling_sharpe(c.returns, c.window)),
        "quantstats": lambda c: list(qs.rolling_sharpe(c.returns, rolling_period=c.window)),
    },
    "rolling_volatility": {
        "pyfolio": lambda c: list(pyfolio.rolling_volatility(c.returns, c.window)),
        "quantstats": lambda c: list(qs.rolling_volatility(c.returns, rolling_period=c.window)),
    },
    "rolling_beta": {
        "quantstats": lambda c: list(
            qs.rolling_greeks(c.returns, c.benchmark, periods=c.window)["beta"]
        ),
        "pyfolio": lambda c: list(pyfolio.rolling_beta(c.returns, c.benchmark, c.window)),
    },
    "alpha": {
        "empyrical": lambda c: empyrical.alpha(c.returns, c.benchmark, annualization=c.periods),
        "quantstats": lambda c: qs.greeks(c.returns, c.benchmark, periods=c.periods)["alpha"],
    },
    "beta": {
        "empyrical": lambda c: empyrical.beta(c.returns, c.benchmark),
        "quantstats": lambda c: qs.greeks(c.returns, c.benchmark, periods=c.periods)["beta"],
    },
    "information_ratio": {
        "quantstats": lambda c: qs.information_ratio(c.returns, c.benchmark),
        "empyrical": lambda c: empyrical.excess_sharpe(c.returns, c.benchmark),
        "ffn": lambda c: ffn.calc_information_ratio(c.returns, c.benchmark),
    },
    "up_capture": {"empyrical": lambda c: empyrical.up_capture(c.returns, c.benchmark)},
    "down_capture": {"empyrical": lambda c: empyrical.down_capture(c.returns, c.benchmark)},
    "effective_positions": {"skfolio": lambda c: skfolio.effective_number_assets(c.weights)},
}
OF_TRADES = ("kelly", "payoff_ratio", "longest_win_streak", "longest_loss_streak")
OF_BENCHMARK = ("rolling_beta", "alpha", "beta", "information_ratio", "up_capture", "down_capture")


def _of_drawdowns(details: pd.DataFrame) -> list[float]:
    """quantstats' depths, in percent there, deepest first."""
    return sorted(details["max drawdown"] / 100) if len(details) else []


def _of_ffn(details: pd.DataFrame | None) -> list[float]:
    """ffn's depths; without any it has no table."""
    return [] if details is None else sorted(details["drawdown"])


def _of_months(table: pd.DataFrame, case: Case) -> list[float]:
    """quantstats' months in a row; those without a bar are zeros in its table."""
    months = sorted({(time.year, time.month) for time in case.returns.index})
    return [table.loc[str(year)].iloc[month - 1] for year, month in months]


def said(call: Call, case: Case) -> Any:
    """Return what a package says, as JSON has it."""
    try:
        value = call(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:90]
    if isinstance(value, list):
        value = value[-LAST:]
        return [None if pd.isna(one) else float(one) for one in value]
    number = float(value)
    return None if math.isnan(number) else str(number) if math.isinf(number) else number


def numbers_of(case: Case) -> dict[str, dict[str, Any]]:
    """Return what every package says of one series, by metric."""
    found = {}
    for metric, calls in CALLS.items():
        if metric in OF_BENCHMARK and case.benchmark is None:
            continue
        if metric in OF_TRADES and not len(case.trades):
            continue
        if metric == "effective_positions" and not len(case.weights):
            continue
        found[metric] = {package: said(call, case) for package, call in calls.items()}
    return found


def main() -> None:
    warnings.filterwarnings("ignore")
    series = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    numbers = {name: numbers_of(case_of(one)) for name, one in series.items()}
    document = {
        "versions": {name: version(package) for name, package in PACKAGES.items()},
        "numbers": numbers,
    }
    Path(sys.argv[2]).write_text(
        json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
