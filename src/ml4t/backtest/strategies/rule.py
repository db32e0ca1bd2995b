"""Rule: makes the conditions of declarative strategies."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.fractions import PROFIT, SHARE, require_fraction
from ml4t.backtest.core.values import PREVIOUS
from ml4t.backtest.data.sql_files import quote
from ml4t.backtest.errors import ConfigError, require_column, require_number, require_whole
from ml4t.backtest.strategies.predicate import InSQL, OfPosition, Predicate, Truth


class Rule:
    """Makes conditions on an asset at a close; combine them with ``&``, ``|`` and ``~``.

    Examples
    --------
    >>> from ml4t.backtest.strategies import Rule
    >>> Rule.signal_above("ml_pred", 0.8) & ~Rule.context_above("vix", 30)
    signals."ml_pred" > 0.8 and not (market."vix" > 30.0)
    """

    # -- signals, one row per asset ---------------------------------------------------

    @staticmethod
    def signal_above(name: str, level: float | str) -> Predicate:
        """Hold where a signal is above a number, or above another signal."""
        return InSQL(f"{_signal(name)} > {_level(level)}")

    @staticmethod
    def signal_below(name: str, level: float | str) -> Predicate:
        """Hold where a signal is below a number, or below another signal."""
        return InSQL(f"{_signal(name)} < {_level(level)}")

    @staticmethod
    def signal_between(name: str, low: float, high: float) -> Predicate:
        """Hold where ``low <= signal <= high``."""
        text = f"{_signal(name)} between {_number('low', low)} and {_number('high', high)}"
        if not float(low) <= float(high):
            raise ConfigError(f"low must be at most high, was {low!r} and {high!r}")
        return InSQL(text)

    @staticmethod
    def signal_crosses_above(name: str, level: float | str) -> Predicate:
        """Hold where a signal is above, and was not above at the asset's bar before.

        Where either value is missing nothing crosses.
        """
        return _crossing(name, level, ">", "<=")

    @staticmethod
    def signal_crosses_below(name: str, level: float | str) -> Predicate:
        """Hold where a signal is below, and was not below at the asset's bar before."""
        return _crossing(name, level, "<", ">=")

    crosses_above = signal_crosses_above
    crosses_below = signal_crosses_below

    # -- context, one row per timestamp -----------------------------------------------

    @staticmethod
    def context_above(name: str, level: float) -> Predicate:
        """Hold where a market-wide value is above a number."""
        return InSQL(f"{_market(name)} > {_number('level', level)}")

    @staticmethod
    def context_below(name: str, level: float) -> Predicate:
        """Hold where a market-wide value is below a number."""
        return InSQL(f"{_market(name)} < {_number('level', level)}")

    @staticmethod
    def expression(text: str) -> Predicate:
        """Hold where SQL over the columns of ``signals`` and ``market`` is true.

        It is about one asset at one bar: no window, no aggregate, no other row.
        """
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"the text of an expression must be SQL, was {text!r}")
        return InSQL(f"({text}\n)", expressions=(text,))

    # -- the position ------------------------------------------------------------------

    @staticmethod
    def not_in_position() -> Predicate:
        """Hold where nothing of the asset is held."""
        return OfPosition("not_in_position()", lambda p: (p.quantity == 0).astype(float))

    @staticmethod
    def stop_loss(fraction: float) -> Predicate:
        """Hold where the close is more than `fraction` of the entry price on the losing side.

        It looks at closes and leaves at the next open; for a stop inside the bar see
        `ml4t.backtest.risk.StopLoss`.
        """
        fraction = require_fraction("fraction", fraction, SHARE)
        return OfPosition(f"stop_loss({fraction!r})", lambda p: _truth(p.pnl, p.pnl < -fraction))

    @staticmethod
    def take_profit(fraction: float) -> Predicate:
        """Hold where the close is more than `fraction` of the entry price on the winning side.

        `fraction` is below 10: 15 would be meant as percent.
        """
        fraction = require_fraction("fraction", fraction, PROFIT)
        return OfPosition(f"take_profit({fraction!r})", lambda p: _truth(p.pnl, p.pnl > fraction))

    @staticmethod
    def trailing_stop(fraction: float) -> Predicate:
        """Hold where the close is more than `fraction` below the best price since entry.

        The best price is the highest high of a long, the lowest low of a short.
        """
        fraction = require_fraction("fraction", fraction, SHARE)
        return OfPosition(
            f"trailing_stop({fraction!r})",
            lambda p: _truth(p.drop, p.drop > fraction),
            needs_range=True,
        )

    @staticmethod
    def max_bars(n: int) -> Predicate:
        """Hold where the position has been held through `n` bars, the entry bar's included."""
        n = require_whole("n", n, least=1)
        return OfPosition(f"max_bars({n!r})", lambda p: _truth(p.bars_held, p.bars_held >= n))


def _truth(values: Floats, holds: Bools) -> Truth:
    return np.where(np.isnan(values), np.nan, holds)


def _signal(name: str, prefix: str = "", *, label: str = "name") -> str:
    require_column(f"{label} of a signal", name)
    return f"signals.{quote(prefix + name)}"


def _market(name: str) -> str:
    require_column("name of a context value", name)
    return f"market.{quote(name)}"


def _number(label: str, number: float) -> str:
    require_number(label, number, above=float("-inf"), below=float("inf"))
    return repr(float(number))


def _level(level: float | str, prefix: str = "") -> str:
    if isinstance(level, str):
        return _signal(level, prefix, label="level")
    return _number("level", level)


def _crossing(name: str, level: float | str, now: str, before: str) -> Predicate:
    text = (
        f"{_signal(name)} {now} {_level(level)} "
        f"and {_signal(name, PREVIOUS)} {before} {_level(level, PREVIOUS)}"
    )
    return InSQL(text)
