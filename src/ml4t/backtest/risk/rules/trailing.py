"""Stops that follow the best price since entry and never loosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.aliases import takes_words
from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.fractions import PROFIT, SHARE, Span, require_fraction
from ml4t.backtest.errors import ConfigError, require_number
from ml4t.backtest.risk.rules.held import Held
from ml4t.backtest.risk.rules.rule import (
    Pairs,
    RiskRule,
    pairs_of,
    require_priority,
)


class TrailingRule(RiskRule):
    """Base of the rules whose stop follows the best price."""

    @property
    def is_trailing(self) -> bool:  # type: ignore[override]
        """True: the stop follows the best price."""
        return True


@dataclass(frozen=True, slots=True)
class TrailingStop(TrailingRule):
    """Trail the best price since entry; the level never loosens.

    ``(water_mark + dividends) * (1 - side * fraction) - dividends``, or
    ``water_mark - side * amount``.

    Attributes
    ----------
    fraction : float or None
        Distance as a fraction of the water mark, 0.05 = 5%.
    amount : float or None
        Distance in units of price at the entry; a split divides it, like every price. Exactly one
        of the two is given.
    """

    fraction: float | None = None
    amount: float | None = None
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        if (self.fraction is None) == (self.amount is None):
            raise ConfigError(
                "exactly one of fraction and amount must be given, was "
                f"fraction={self.fraction!r}, amount={self.amount!r}"
            )
        if self.fraction is not None:
            require_fraction("fraction", self.fraction, SHARE)
        if self.amount is not None:
            require_number("amount", self.amount, above=0, below=float("inf"))
        require_priority(self.priority)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        distance = f"{self.amount:g}" if self.fraction is None else f"{self.fraction:.2%}"
        return f"trail of {distance} from the best price"

    def stop(self, held: Held) -> Floats:
        """Return the trailing level, never looser than the one this rule gave before."""
        if self.amount is not None:
            return held.never_loosened(held.water_mark - held.side * self.amount / held.splits)
        return held.never_loosened(held.at_drop(self.fraction or 0.0))


@takes_words
@dataclass(frozen=True, slots=True)
class DynamicTrailingStop(TrailingRule):
    """Trail the best price since entry, closer as it earns more; the level never loosens.

    ``(water_mark + dividends) * (1 - side * trail) - dividends``, where `trail` is
    `initial_trail_pct` or, once the best price since entry is a profit of ``profit`` or more, the
    smallest ``trail`` of `schedule` that it has earned.

    Attributes
    ----------
    initial_trail_pct : float
        Fraction of the water mark, 0.05 = 5%.
    schedule : tuple of (profit, trail)
        Fractions, profits below 10, trails below 1; empty: the trail stays at `initial_trail_pct`.
    """

    initial_trail_pct: float = 0.05
    schedule: Pairs = ()
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        require_fraction("initial_trail_pct", self.initial_trail_pct, SHARE)
        schedule = pairs_of("schedule", self.schedule, "profit, trail")
        for profit, trail in schedule:
            require_fraction("schedule profit", profit, Span(-1, PROFIT.high))
            require_fraction("schedule trail", trail, SHARE)
        require_priority(self.priority)
        keep_plain(self)
        object.__setattr__(self, "schedule", schedule)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"trail of {self.initial_trail_pct:.2%} from the best price"

    def stop(self, held: Held) -> Floats:
        """Return the trailing level, never looser than the one this rule gave before."""
        if not self.schedule:
            return held.never_loosened(held.at_drop(self.initial_trail_pct))
        trail = np.full(len(held.side), self.initial_trail_pct)
        profit = held.best_profit
        for earned, tighter in self.schedule:
            trail = np.where(profit >= earned, np.minimum(trail, tighter), trail)
        return held.never_loosened(held.at_drop(trail))
