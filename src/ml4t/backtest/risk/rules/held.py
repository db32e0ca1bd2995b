"""Held: what a rule sees of the held positions, at one close or at several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.stretch import behind, carried


@dataclass(slots=True, kw_only=True)  # hot: freezing costs a call per field
class Held:
    """The held positions as a rule sees them; every array has one entry per position.

    Attributes
    ----------
    side : float array
        +1 long, -1 short.
    entry_price : float array
        Price from which levels count: the average fill price, unless the run says otherwise.
    water_mark, close : float array
    bars_held : int array
        Bars through which the position was held, the entry bar's included unless it was opened
        at its close; 0 before the first close.
    features : mapping of str to float array
        Columns and conditions that the rule names, NaN where missing.
    last_stop : float array
        The stop that the asking rule gave before for each position, NaN where none.
    steps_done : int array
        How many parts the asking rule has closed since the position was opened; counted for rules
        that answer with a `part`, else 0.
    splits : float array
        Shares that one share at the entry has become by splits since; distances in units of price
        are divided by it.
    dividends : float array
        Dividends per share since the entry, which are part of the profit; 0 where they move no
        levels. `water_mark` and `last_stop` have fallen by each of them.
    """

    side: Floats
    entry_price: Floats
    water_mark: Floats
    close: Floats
    bars_held: Ints
    features: Mapping[str, Floats]
    last_stop: Floats
    steps_done: Ints
    splits: Floats
    dividends: Floats

    def at_profit(self, profit: float | Floats) -> Floats:
        """Return the price at which a position has earned a fraction of its entry price.

        ``entry_price * (1 + side * profit) - dividends``
        """
        level: Floats = self.entry_price * (1 + self.side * profit) - self.dividends
        return level

    def at_drop(self, drop: float | Floats) -> Floats:
        """Return the price that is a fraction of the best price since entry worse than that.

        ``(water_mark + dividends) * (1 - side * drop) - dividends``
        """
        best = self.water_mark + self.dividends
        level: Floats = best * (1 - self.side * drop) - self.dividends
        return level

    @property
    def best_profit(self) -> Floats:
        """Profit at the best price since entry, as a fraction of the entry price."""
        best: Floats = (self.water_mark + self.dividends) / self.entry_price - 1
        return self.side * best

    def never_loosened(self, level: Floats) -> Floats:
        """Return `level`, or the last stop where that one is tighter or there is no level."""
        # fmax ignores the NaN of a first evaluation and of a missing value.
        tightest: Floats = np.fmax(self.side * level, self.side * self.last_stop)
        return self.side * tightest

    def kept(self, level: Floats) -> Floats:
        """Return `level`, or the last stop where it is no number."""
        return np.where(np.isfinite(level), level, self.last_stop)


@dataclass(slots=True, kw_only=True)
class HeldOverBars(Held):
    """The held positions over several bars that follow one another.

    What moves from bar to bar is ``[bars, positions]``: `water_mark`, `close`, `bars_held` and
    `features`. The last stop of a bar is the stop of the bar before it; `last_stop` is that of
    the first.

    Attributes
    ----------
    asked : bool array
        ``[bars, positions]``: the asset has a bar, so that rules are asked about it.
    """

    asked: Bools

    def never_loosened(self, level: Floats) -> Floats:
        """Return the tightest of `level` since the first bar, and of the last stop."""
        offered = np.where(self.asked, self.side * level, np.nan)
        first = self.side * self.last_stop
        tightest: Floats = np.fmax.accumulate(behind(first, offered))[1:]
        return self.side * tightest

    def kept(self, level: Floats) -> Floats:
        """Return the newest `level` that is a number, before there is one the last stop."""
        return carried(self.last_stop, level, self.asked & np.isfinite(level))
