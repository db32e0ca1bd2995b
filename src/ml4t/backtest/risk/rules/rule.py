"""What every rule is: it sees the held positions at a close and answers with levels or exits.

A rule answers for all held positions at once: a stop or target for the next bar, or an exit at
the next open. It never sees a bar and acts inside it. A rule may be made of other rules, its
`children`; a run keeps what each of them said apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.shown import shown_attributes
from ml4t.backtest.errors import ConfigError, require_number, require_whole
from ml4t.backtest.risk.rules.held import Held

if TYPE_CHECKING:
    from ml4t.backtest.risk.rules.decision import RiskContext, RiskDecision

Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rule says of the held positions; None: nothing, for none of them.

    Attributes
    ----------
    stop, target : float array or None
        Prices, NaN for none.
    part : float array or None
        Share of the position's peak quantity that its target closes; None: all of it.
    exits : bool array or None
        Positions to leave at the next open.
    """

    stop: Floats | None = None
    target: Floats | None = None
    part: Floats | None = None
    exits: Bools | None = None


class RiskRule:
    """Base of all rules: override `stop`, `target` or `exits`; with `children`, `combine`.

    Attributes
    ----------
    priority : int
        The higher wins when rules disagree; 100 for all rules of this package.
    features : tuple of str
        Columns of ``signals`` that the rule reads; an unknown one is refused before the run.
    price_features : tuple of str
        Those of them in units of price: what was known before a split is divided by its ratio.
    conditions : tuple of str
        SQL conditions over ``signals`` that the rule reads as features: 1 true, 0 false, NaN NULL.
    children : tuple of RiskRule
        Rules of which this one is made.
    is_trailing : bool
        Whether the rule's stop follows the best price.
    needs_range : bool
        Whether the rule reads levels or water marks, so that bars need a high and a low.
    spans_bars : bool
        Whether the formulas hold over several bars at once, ``[bars, positions]`` of what moves
        from bar to bar: they take each element by itself, and know of the bar before by
        `Held.never_loosened` and `Held.kept` alone. A class says so for itself, not for its
        subclasses.
    """

    priority: int = 100
    features: tuple[str, ...] = ()
    price_features: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    children: tuple[RiskRule, ...] = ()
    is_trailing: bool = False
    needs_range: bool = True
    spans_bars: bool = False

    def __repr__(self) -> str:
        """Show the rule by its values, so that equal rules give runs of equal identity."""
        return f"{type(self).__name__}({shown_attributes(self)})"

    @property
    def name(self) -> str:
        """The name under which trades and decisions show this rule."""
        return type(self).__name__

    @property
    def reason(self) -> str:
        """One line on what the rule does, for the decisions table."""
        return self.name

    @property
    def has_stop(self) -> bool:
        """Whether the rule sets stops."""
        if self.children:
            return any(child.has_stop for child in self.children)
        return type(self).stop is not RiskRule.stop

    @property
    def has_levels(self) -> bool:
        """Whether the rule sets stops or targets, which act inside a bar."""
        if self.children:
            return any(child.has_levels for child in self.children)
        return self.has_stop or self.has_target

    @property
    def has_target(self) -> bool:
        """Whether the rule sets targets."""
        if self.children:
            return any(child.has_target for child in self.children)
        return type(self).target is not RiskRule.target

    @property
    def has_steps(self) -> bool:
        """Whether the rule's target closes a part of the position, step by step."""
        return type(self).part is not RiskRule.part

    def walk(self) -> Iterator[RiskRule]:
        """Yield the rule and, in their order, all rules inside it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def stop(self, held: Held) -> Floats | None:  # noqa: ARG002 - the default has no stop
        """Return the stop level per position, NaN for none."""
        return None

    def target(self, held: Held) -> Floats | None:  # noqa: ARG002
        """Return the profit target per position, NaN for none."""
        return None

    def part(self, held: Held) -> Floats | None:  # noqa: ARG002
        """Return the share of the peak quantity that the target closes; None: all of it."""
        return None

    def exits(self, held: Held) -> Bools | None:  # noqa: ARG002
        """Return which positions to leave at the next open."""
        return None

    def combine(self, held: Held, answers: tuple[Answer, ...]) -> Answer:
        """Make one answer of the children's, which are in their order.

        An answer is empty where its rule was not asked: on the entry bar one without levels.
        """
        raise NotImplementedError

    def answer(self, held: Held) -> Answer:
        """Return all that the rule says; its children are shown the same `held`."""
        if self.children:
            return self.combine(held, tuple(child.answer(held) for child in self.children))
        return Answer(
            stop=self.stop(held),
            target=self.target(held),
            part=self.part(held),
            exits=self.exits(held),
        )

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Decide for one position, with the same formulas that a run uses.

        A rule made of others shows each of them its own `last_stop` and `steps_done`.
        """
        from ml4t.backtest.risk.rules.decision import RiskDecision

        nan = float("nan")
        read = [name for rule in self.walk() for name in (*rule.features, *rule.conditions)]
        held = Held(
            side=np.array([1.0 if context.quantity >= 0 else -1.0]),
            entry_price=np.array([context.entry_price]),
            water_mark=np.array([context.water_mark]),
            close=np.array([context.close]),
            bars_held=np.array([context.bars_held]),
            features={name: np.array([context.features.get(name, nan)]) for name in read},
            last_stop=np.array([nan if context.last_stop is None else context.last_stop]),
            steps_done=np.array([context.steps_done]),
            splits=np.ones(1),
            dividends=np.zeros(1),
        )
        answer = self.answer(held)
        stop, target, part = _first(answer.stop), _first(answer.target), _first(answer.part)
        should_exit = answer.exits is not None and bool(answer.exits[0])
        return RiskDecision(
            should_exit=should_exit,
            reason=self.reason if should_exit else "",
            stop=stop,
            target=target,
            target_part=part,
            is_long=context.quantity >= 0,
            exit_priority=self.priority,
            stop_priority=self.priority,
            target_priority=self.priority,
            exit_rule=self.name if should_exit else "",
            stop_rule=self.name if stop is not None else "",
            target_rule=self.name if target is not None else "",
        )


def require_priority(value: object) -> None:
    """Raise a `ConfigError` unless `value` is a whole number."""
    require_whole("priority", value)


def pairs_of(name: str, value: object, parts: str) -> Pairs:
    """Return `value` as a tuple of pairs of numbers.

    Raises
    ------
    ConfigError
        It is no list of pairs of numbers; `parts` says what a pair holds.
    """
    message = f"{name} must be a list of ({parts}) pairs, was {value!r}"
    if not isinstance(value, (list, tuple)):
        raise ConfigError(message)
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ConfigError(message)
        for number in pair:
            require_number(f"{name} {parts}", number, above=float("-inf"), below=float("inf"))
    return tuple((float(first), float(second)) for first, second in value)


def told_apart(rules: Iterable[RiskRule]) -> tuple[str, ...]:
    """Return the rules' names in their order; equal ones get ``#2``, ``#3``."""
    return unequal(rule.name for rule in rules)


def unequal(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, equal ones with ``#2``, ``#3``."""
    taken: list[str] = []
    for name in names:
        unique, n = name, 1
        while unique in taken:
            n += 1
            unique = f"{name}#{n}"
        taken.append(unique)
    return tuple(taken)


def _first(values: Floats | None) -> float | None:
    if values is None or np.isnan(values[0]):
        return None
    return float(values[0])
