"""Rules with levels that count from the entry price, and the exit after some time.

Stops that follow the best price are in `trailing`, stops at a distance of volatility in
`volatility`, exits on signals in `signal`, rules made of rules in `composite`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.core.fractions import PART, PROFIT, SHARE, TRIGGER, Span, require_fraction
from ml4t.backtest.core.tolerances import SUMS_TO_ONE
from ml4t.backtest.errors import ConfigError, require_whole
from ml4t.backtest.risk.rules.held import Held
from ml4t.backtest.risk.rules.rule import (
    Pairs,
    RiskRule,
    pairs_of,
    require_priority,
)


@dataclass(frozen=True, slots=True)
class StopLoss(RiskRule):
    """Stop at a loss of `fraction`: ``entry_price * (1 - side * fraction) - dividends``.

    `fraction` is below 1.
    """

    fraction: float
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, SHARE)
        require_priority(self.priority)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"loss of {self.fraction:.2%} from the entry price"

    def stop(self, held: Held) -> Floats:
        """Return ``entry_price * (1 - side * fraction) - dividends``."""
        return held.at_profit(-self.fraction)


@dataclass(frozen=True, slots=True)
class IsolatedMargin(RiskRule):
    """Liquidate a position, inside the bar, once its own margin is down to the maintenance margin.

    ``entry_price * (side - initial_margin) / (side - maintenance_margin)``: there what the position
    was given, ``initial_margin`` of its value at the entry, and what it has lost since are
    ``maintenance_margin`` of its value now. A stop nearer to the price acts before it.

    Parameters
    ----------
    initial_margin : float
        Fraction of the value at the entry, the inverse of the leverage; at most 1.
    maintenance_margin : float
        Fraction of the value, below the initial one.

    Notes
    -----
    Source: the liquidation price of isolated positions of crypto exchanges,
    ``(margin - side * quantity * entry_price) / (quantity * (rate - side))`` without tiers. Funding
    and fees paid meanwhile do not move it here.
    """

    initial_margin: float
    maintenance_margin: float
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        require_fraction("initial_margin", self.initial_margin, PART)
        require_fraction("maintenance_margin", self.maintenance_margin, SHARE)
        if self.maintenance_margin >= self.initial_margin:
            raise ConfigError(
                f"maintenance_margin must be below initial_margin = {self.initial_margin}, was "
                f"{self.maintenance_margin!r}"
            )
        require_priority(self.priority)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"liquidation: margin of the position at {self.maintenance_margin:.2%} of its value"

    def stop(self, held: Held) -> Floats:
        """Return ``entry_price * (side - initial_margin) / (side - maintenance_margin)``."""
        side = held.side
        level: Floats = (
            held.entry_price * (side - self.initial_margin) / (side - self.maintenance_margin)
        )
        return level


@dataclass(frozen=True, slots=True)
class TakeProfit(RiskRule):
    """Target at a profit of `fraction`: ``entry_price * (1 + side * fraction) - dividends``.

    `fraction` is below 10: 15 would be meant as percent.
    """

    fraction: float
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        require_fraction("fraction", self.fraction, PROFIT)
        require_priority(self.priority)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"profit of {self.fraction:.2%} from the entry price"

    def target(self, held: Held) -> Floats:
        """Return ``entry_price * (1 + side * fraction) - dividends``."""
        return held.at_profit(self.fraction)


@dataclass(frozen=True, slots=True)
class BreakevenStop(RiskRule):
    """Stop at the entry price once the position has earned `trigger`; the level never loosens.

    ``entry_price * (1 + side * offset) - dividends`` from the close at which
    ``side * ((water_mark + dividends) / entry_price - 1) >= trigger``; before, no stop.

    Attributes
    ----------
    trigger : float
        Profit at the best price since entry, as a fraction of the entry price; below 3, which
        would be meant as percent.
    offset : float
        Profit that the stop keeps, below `trigger`; negative: a loss.
    """

    trigger: float
    offset: float = 0.0
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        require_fraction("trigger", self.trigger, TRIGGER)
        # At or above the trigger it would be touched as soon as it is set.
        require_fraction("offset", self.offset, Span(-1, self.trigger))
        require_priority(self.priority)
        keep_plain(self)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"back at {self.offset:+.2%} after a profit of {self.trigger:.2%}"

    def stop(self, held: Held) -> Floats:
        """Return the level where the trigger was earned."""
        level = held.at_profit(self.offset)
        return held.never_loosened(np.where(held.best_profit >= self.trigger, level, np.nan))


@dataclass(frozen=True, slots=True)
class ScaledExit(RiskRule):
    """Take profits in steps: a part of the position at each of several targets.

    The target is ``entry_price * (1 + side * profit) - dividends`` of the first step not yet done.
    When it is touched, `part` of the position's peak quantity (the largest since it was opened from
    flat) is closed, cut to what is live; one step per bar. What a bar's volume leaves of a step
    stays its target; a part below one lot is passed over. After the last step there is no target.

    Attributes
    ----------
    steps : tuple of (profit, part)
        Fractions; profits ascending and below 10, parts above 0, together at most 1.
    """

    steps: Pairs
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        steps = pairs_of("steps", self.steps, "profit, part")
        if not steps:
            raise ConfigError("steps must be at least one (profit, part) pair, was empty")
        last = 0.0
        for profit, part in steps:
            require_fraction("profit of a step", profit, Span(last, PROFIT.high))
            require_fraction("part of a step", part, PART)
            last = profit
        whole = math.fsum(part for _, part in steps)
        if whole > 1 + SUMS_TO_ONE:
            raise ConfigError(f"parts of the steps must be 1 together or less, was {whole:g}")
        require_priority(self.priority)
        keep_plain(self)
        object.__setattr__(self, "steps", steps)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        shown = ", ".join(f"{part:.2%} at {profit:+.2%}" for profit, part in self.steps)
        return f"profits in steps: {shown}"

    def target(self, held: Held) -> Floats:
        """Return the target of the next step, NaN after the last."""
        profits = np.array([profit for profit, _ in self.steps] + [np.nan])
        profit = np.asarray(profits.take(held.steps_done, mode="clip"))
        return held.at_profit(profit)

    def part(self, held: Held) -> Floats:
        """Return the share of the peak quantity that the next step closes."""
        parts = np.array([part for _, part in self.steps] + [np.nan])
        return np.asarray(parts.take(held.steps_done, mode="clip"))


@dataclass(frozen=True, slots=True)
class TimeBasedExit(RiskRule):
    """Leave at the open after `max_bars` closes: the position is held for `max_bars` bars."""

    max_bars: int
    priority: int = 100
    spans_bars = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_bars", require_whole("max_bars", self.max_bars, least=1))
        require_priority(self.priority)
        keep_plain(self)

    @property
    def needs_range(self) -> bool:  # type: ignore[override]
        """False: it reads no price."""
        return False

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"held for {self.max_bars} bars"

    def exits(self, held: Held) -> Bools:
        """Return ``bars_held >= max_bars``."""
        fires: Bools = held.bars_held >= self.max_bars
        return fires
