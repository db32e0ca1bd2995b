"""Rules made of rules: any of several, or all of them at one close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.by_value import keep_plain
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.rules.held import Held
from ml4t.backtest.risk.rules.rule import Answer, RiskRule, require_priority


@dataclass(frozen=True, slots=True)
class Composite(RiskRule):
    """Base of the rules of this module; the children's own priorities do not count.

    Attributes
    ----------
    rules : sequence of RiskRule
        At least one; of equal answers the one named first counts.
    """

    rules: Sequence[RiskRule]
    priority: int = 100

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not isinstance(self.rules, (list, tuple)) or not self.rules:
            raise ConfigError(f"{name} must be given a list of rules, was {self.rules!r}")
        for rule in self.rules:
            if not isinstance(rule, RiskRule):
                raise ConfigError(f"a rule of {name} must be a RiskRule, was {rule!r}")
        require_priority(self.priority)
        keep_plain(self)
        object.__setattr__(self, "rules", tuple(self.rules))

    @property
    def children(self) -> tuple[RiskRule, ...]:  # type: ignore[override]
        """The rules of which this one is made."""
        return tuple(self.rules)

    @property
    def needs_range(self) -> bool:  # type: ignore[override]
        """Whether any of the rules needs it."""
        return any(rule.needs_range for rule in self.rules)

    def _reasons(self) -> str:
        return "; ".join(rule.reason for rule in self.rules)


class AnyOf(Composite):
    """Whichever of several rules acts first: the tightest stop, the nearest target, any exit."""

    spans_bars = True

    @property
    def is_trailing(self) -> bool:  # type: ignore[override]
        """Whether every stop that it may take trails."""
        return self.has_stop and all(rule.is_trailing for rule in self.rules if rule.has_stop)

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"any of: {self._reasons()}"

    def combine(self, held: Held, answers: tuple[Answer, ...]) -> Answer:
        """Return the tightest stop, the nearest target with its part, and any exit."""
        stop = target = part = None
        exits: Bools | None = None
        for one in answers:
            if one.stop is not None:
                stop = one.stop if stop is None else _tightest(held.side, stop, one.stop)
            if one.target is not None:
                # The part must come from the answer whose target is taken.
                is_nearer = _is_nearer(held.side, one.target, target)
                part = _picked(is_nearer, one.part, part)
                target = one.target if target is None else np.where(is_nearer, one.target, target)
            if one.exits is not None:
                exits = one.exits if exits is None else exits | one.exits
        return Answer(stop=stop, target=target, part=part, exits=exits)


class AllOf(Composite):
    """Leave at the next open when each of several rules holds at one and the same close.

    A rule holds where it asks for an exit, or where the close is at or beyond its stop or target
    as computed at this close. No level of its own acts inside a bar.
    """

    spans_bars = True

    @property
    def has_stop(self) -> bool:
        """False: stops of the rules are compared with closes only."""
        return False

    @property
    def has_levels(self) -> bool:
        """False: levels of the rules are compared with closes only."""
        return False

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return f"all of: {self._reasons()}"

    def combine(self, held: Held, answers: tuple[Answer, ...]) -> Answer:
        """Return where every rule holds at this close."""
        exits = _holds(held, answers[0])
        for one in answers[1:]:
            exits = exits & _holds(held, one)
        return Answer(exits=exits)


def _holds(held: Held, answer: Answer) -> Bools:
    holds = np.zeros(len(held.side), dtype=bool) if answer.exits is None else answer.exits
    close = held.side * held.close
    # NaN compares false: no level, no touch.
    if answer.stop is not None:
        holds = holds | (close <= held.side * answer.stop)
    if answer.target is not None:
        holds = holds | (close >= held.side * answer.target)
    return holds


def _tightest(side: Floats, first: Floats, second: Floats) -> Floats:
    tightest: Floats = np.fmax(side * first, side * second)
    return side * tightest


def _is_nearer(side: Floats, target: Floats, than: Floats | None) -> Bools:
    if than is None:
        return np.ones(len(side), dtype=bool)
    nearer: Bools = (side * target < side * than) | (np.isnan(than) & ~np.isnan(target))
    return nearer


def _picked(is_new: Bools, new: Floats | None, old: Floats | None) -> Floats | None:
    """Return parts from the new answer where it was taken; no part is all of the position."""
    if new is None and old is None:
        return None
    return np.where(is_new, 1.0 if new is None else new, 1.0 if old is None else old)
