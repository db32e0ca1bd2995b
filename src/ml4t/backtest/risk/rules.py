"""Rules that protect a position. Each is one formula over the held positions.

A rule answers at a close, for all held positions at once: a stop or target level for the next
bar, or an exit at the next open. It never sees a bar and acts inside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.errors import ConfigError, require_number
from ml4t.backtest.risk.decision import RiskContext, RiskDecision

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The held positions as a rule sees them; every array has one entry per position.

    Attributes
    ----------
    side : float array
        +1 long, -1 short.
    entry_price, water_mark, close : float array
    bars_held : int array
        Closes seen, the entry bar's included; 0 before the first.
    features : mapping of str to float array
        NaN where missing.
    last_stop : float array
        The stop that the asking rule gave before for each position, NaN where none.
    """

    side: Floats
    entry_price: Floats
    water_mark: Floats
    close: Floats
    bars_held: Ints
    features: Mapping[str, Floats]
    last_stop: Floats


class RiskRule:
    """Base of all rules: override `stop`, `target` or `exits`.

    Attributes
    ----------
    priority : int
        The higher wins when rules disagree; 100 for all rules of this package.
    features : tuple of str
        Columns of ``signals`` that the rule reads; an unknown one is refused before the run.
    """

    priority: int = 100
    features: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the rule by its values, so that equal rules give runs of equal identity."""
        values = ", ".join(f"{name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"{type(self).__name__}({values})"

    @property
    def name(self) -> str:
        """The name under which trades and decisions show this rule."""
        return type(self).__name__

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return self.name

    @property
    def has_levels(self) -> bool:
        """Whether the rule sets levels that act inside a bar."""
        kind = type(self)
        return kind.stop is not RiskRule.stop or kind.target is not RiskRule.target

    def stop(self, held: Held) -> Floats | None:  # noqa: ARG002 - the default has no stop
        """Return the stop level per position, NaN for none."""
        return None

    def target(self, held: Held) -> Floats | None:  # noqa: ARG002
        """Return the profit target per position, NaN for none."""
        return None

    def exits(self, held: Held) -> Bools | None:  # noqa: ARG002
        """Return which positions to leave at the next open."""
        return None

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Decide for one position, with the same formulas that a run uses."""
        nan = float("nan")
        held = Held(
            side=np.array([1.0 if context.quantity >= 0 else -1.0]),
            entry_price=np.array([context.entry_price]),
            water_mark=np.array([context.water_mark]),
            close=np.array([context.close]),
            bars_held=np.array([context.bars_held]),
            features={name: np.array([context.features.get(name, nan)]) for name in self.features},
            last_stop=np.array([nan if context.last_stop is None else context.last_stop]),
        )
        stop, target, exits = self.stop(held), self.target(held), self.exits(held)
        should_exit = exits is not None and bool(exits[0])
        return RiskDecision(
            should_exit=should_exit,
            reason=self.reason if should_exit else "",
            stop=_level(stop),
            target=_level(target),
            is_long=context.quantity >= 0,
            exit_priority=self.priority,
            stop_priority=self.priority,
            target_priority=self.priority,
            exit_rule=self.name if should_exit else "",
            stop_rule=self.name if _level(stop) is not None else "",
            target_rule=self.name if _level(target) is not None else "",
        )


@dataclass(frozen=True, slots=True)
class StopLoss(RiskRule):
    """Stop at a loss of `fraction`: ``entry_price * (1 - side * fraction)``."""

    fraction: float
    priority: int = 100

    def __post_init__(self) -> None:
        require_number("fraction", self.fraction, above=0, below=1)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"loss of {self.fraction:.2%} from the entry price"

    def stop(self, held: Held) -> Floats:
        """Return ``entry_price * (1 - side * fraction)``."""
        return held.entry_price * (1 - held.side * self.fraction)


@dataclass(frozen=True, slots=True)
class TakeProfit(RiskRule):
    """Target at a profit of `fraction`: ``entry_price * (1 + side * fraction)``."""

    fraction: float
    priority: int = 100

    def __post_init__(self) -> None:
        require_number("fraction", self.fraction, above=0, below=float("inf"))

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"profit of {self.fraction:.2%} from the entry price"

    def target(self, held: Held) -> Floats:
        """Return ``entry_price * (1 + side * fraction)``."""
        return held.entry_price * (1 + held.side * self.fraction)


@dataclass(frozen=True, slots=True)
class VolatilityScaledStopLoss(RiskRule):
    """Stop at a distance in units of volatility: ``entry_price - side * atr_multiplier * atr``.

    The distance follows the newest known volatility, so the level may move either way. Where
    the value is missing the level that was in force stays.

    Attributes
    ----------
    atr_multiplier : float
    volatility_key : str
        Column of ``signals`` in price units, such as an average true range.
    """

    atr_multiplier: float = 2.0
    volatility_key: str = "atr"
    priority: int = 100

    def __post_init__(self) -> None:
        require_number("atr_multiplier", self.atr_multiplier, above=0, below=float("inf"))

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """The volatility column."""
        return (self.volatility_key,)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"{self.atr_multiplier:g} x {self.volatility_key} from the entry price"

    def stop(self, held: Held) -> Floats:
        """Return ``entry_price - side * atr_multiplier * atr``; missing: the last stop."""
        distance = self.atr_multiplier * held.features[self.volatility_key]
        level = held.entry_price - held.side * distance
        return np.where(np.isnan(level), held.last_stop, level)


@dataclass(frozen=True, slots=True)
class DynamicTrailingStop(RiskRule):
    """Trail the best price since entry; the level never loosens.

    ``water_mark * (1 - side * trail)``, where `trail` is `initial_trail_pct` or, once the best
    price since entry is a profit of ``profit`` or more, the smallest ``trail`` of `schedule`
    that it has earned.

    Attributes
    ----------
    initial_trail_pct : float
        Fraction of the water mark, 0.05 = 5%.
    schedule : tuple of (profit, trail)
        Fractions; empty: the trail stays at `initial_trail_pct`.
    """

    initial_trail_pct: float = 0.05
    schedule: tuple[tuple[float, float], ...] = ()
    priority: int = 100

    def __post_init__(self) -> None:
        require_number("initial_trail_pct", self.initial_trail_pct, above=0, below=1)
        for step in self.schedule:
            if len(step) != 2:
                raise ConfigError(f"schedule holds (profit, trail) pairs, was {step!r}")
            require_number("schedule profit", step[0], above=-1, below=float("inf"))
            require_number("schedule trail", step[1], above=0, below=1)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"trail of {self.initial_trail_pct:.2%} from the best price"

    def stop(self, held: Held) -> Floats:
        """Return the trailing level, never looser than the one this rule gave before."""
        trail = np.full(len(held.side), self.initial_trail_pct)
        if self.schedule:
            profit = held.side * (held.water_mark / held.entry_price - 1)
            for earned, tighter in self.schedule:
                trail = np.where(profit >= earned, np.minimum(trail, tighter), trail)
        level = held.water_mark * (1 - held.side * trail)
        # fmax ignores the NaN of a first evaluation.
        tightest: Floats = np.fmax(held.side * level, held.side * held.last_stop)
        return held.side * tightest


@dataclass(frozen=True, slots=True)
class TimeBasedExit(RiskRule):
    """Leave at the open after `max_bars` closes: the position is held for `max_bars` bars."""

    max_bars: int
    priority: int = 100

    def __post_init__(self) -> None:
        if type(self.max_bars) is not int or self.max_bars < 1:
            raise ConfigError(f"max_bars must be a whole number >= 1, was {self.max_bars!r}")

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"held for {self.max_bars} bars"

    def exits(self, held: Held) -> Bools:
        """Return ``bars_held >= max_bars``."""
        fires: Bools = held.bars_held >= self.max_bars
        return fires


def _level(values: Floats | None) -> float | None:
    if values is None or np.isnan(values[0]):
        return None
    return float(values[0])
