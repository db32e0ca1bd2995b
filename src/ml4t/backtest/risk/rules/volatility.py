"""Stops at a distance in units of volatility: from the entry price, and from the best price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.aliases import takes_words
from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.errors import require_column, require_number
from ml4t.backtest.risk.rules.held import Held
from ml4t.backtest.risk.rules.rule import RiskRule, require_priority
from ml4t.backtest.risk.rules.trailing import TrailingRule


class VolatilityStop(RiskRule):
    """Base of the rules of this module; each has the two settings as fields, with defaults."""

    @property
    def atr_multiplier(self) -> float:
        """The distance is so many times the newest known volatility."""
        raise NotImplementedError

    @property
    def volatility_key(self) -> str:
        """Column of ``signals`` in price units, such as an average true range."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        require_number("atr_multiplier", self.atr_multiplier, above=0, below=float("inf"))
        require_column("volatility_key", self.volatility_key)
        require_priority(self.priority)
        keep_plain(self)  # type: ignore[arg-type]  # every rule of this module is a dataclass

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The volatility column."""
        return (self.volatility_key,)

    @property
    def price_features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The volatility column."""
        return (self.volatility_key,)

    @property
    def _distance(self) -> str:
        """The distance in words."""
        return f"{self.atr_multiplier:g} x {self.volatility_key}"

    def away(self, held: Held, price: Floats) -> Floats:
        """Return ``price - side * atr_multiplier * atr``, not finite where that is missing."""
        distance = self.atr_multiplier * held.features[self.volatility_key]
        level: Floats = price - held.side * distance
        return level


@takes_words
@dataclass(frozen=True, slots=True)
class VolatilityScaledStopLoss(VolatilityStop):
    """Stop at a distance in units of volatility from the entry price.

    ``entry_price - side * atr_multiplier * atr - dividends``, where `atr` is the column
    `volatility_key` of ``signals``, in price units. The distance follows its newest known value, so
    the level may move either way. Where the value is missing the level that was in force stays.
    """

    atr_multiplier: float = 2.0
    volatility_key: str = "atr"
    priority: int = 100
    spans_bars = True

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"{self._distance} from the entry price"

    def stop(self, held: Held) -> Floats:
        """Return the level; where the volatility is missing, the last stop."""
        level = self.away(held, held.entry_price) - held.dividends
        return held.kept(level)


@takes_words
@dataclass(frozen=True, slots=True)
class VolatilityTrailingStop(VolatilityStop, TrailingRule):
    """Trail the best price at a distance in units of volatility; the level never loosens.

    ``water_mark - side * atr_multiplier * atr``, known as the chandelier exit (Le Beau), where
    `atr` is the column `volatility_key` of ``signals``, in price units. Where its value is missing
    the level that was in force stays.
    """

    atr_multiplier: float = 3.0
    volatility_key: str = "atr"
    priority: int = 100
    spans_bars = True

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"{self._distance} from the best price"

    def stop(self, held: Held) -> Floats:
        """Return the trailing level, never looser than the one this rule gave before."""
        level = self.away(held, held.water_mark)
        return held.never_loosened(np.where(np.isfinite(level), level, np.nan))
