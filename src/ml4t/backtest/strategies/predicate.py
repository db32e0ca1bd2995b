"""Predicate: the conditions of a declarative strategy, and how they combine.

A predicate on signals or context is SQL, evaluated over the whole history; one on the position is
evaluated in the loop. Logic is SQL's: what is missing is neither true nor false, and a strategy
acts on what is true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ml4t.backtest.core.batch import Floats
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.values import PREVIOUS
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.strategy.portfolio_view import PositionArrays

# 1 true, 0 false, NaN missing; one entry per asset that is looked at.
Truth = Floats


class Predicate(ByValue):
    """A condition on an asset at a close; combine with ``&``, ``|`` and ``~``."""

    def __and__(self, other: Predicate) -> Predicate:
        return And((self, _predicate(other)))

    def __or__(self, other: Predicate) -> Predicate:
        return Or((self, _predicate(other)))

    def __invert__(self) -> Predicate:
        return Not(self)

    def __bool__(self) -> bool:
        raise ConfigError("combine rules with &, | and ~; and, or and not cannot be overridden")

    # -- evaluation ---------------------------------------------------------------------

    def holds(self, flags: Mapping[str, Truth], positions: PositionArrays) -> Truth:
        """Evaluate for some assets; `flags` are the SQL parts, by text."""
        raise NotImplementedError

    def merged(self) -> Predicate:
        """Return the same rule with as few, as large SQL parts as there can be."""
        return self

    def texts(self) -> tuple[str, ...]:
        """Return the SQL parts."""
        return ()

    def expressions(self) -> tuple[str, ...]:
        """Return the SQL that its user wrote, each to be checked on its own."""
        return ()

    def possible(self, *, wanted: bool = True) -> str | None:
        """Return SQL that is true wherever the rule can be `wanted`; None: anywhere."""
        raise NotImplementedError

    @property
    def needs_range(self) -> bool:
        """Whether it follows the best price since entry, so that bars need a high and a low."""
        return False

    @property
    def is_about_before(self) -> bool:
        """Whether SQL inside reads the asset's bar before."""
        return any(PREVIOUS in text for text in self.texts())


class InSQL(Predicate):
    """A condition in SQL."""

    def __init__(self, text: str, *, expressions: tuple[str, ...] = ()) -> None:
        self.text, self._expressions = text, expressions

    def holds(self, flags: Mapping[str, Truth], positions: PositionArrays) -> Truth:  # noqa: ARG002
        """See `Predicate.holds`."""
        return flags[self.text]

    def texts(self) -> tuple[str, ...]:
        """See `Predicate.texts`."""
        return (self.text,)

    def expressions(self) -> tuple[str, ...]:
        """See `Predicate.expressions`."""
        return self._expressions

    def possible(self, *, wanted: bool = True) -> str:
        """See `Predicate.possible`."""
        return self.text if wanted else f"not ({self.text})"

    def _settings(self) -> tuple[object, ...]:
        return self.text, self._expressions

    def __repr__(self) -> str:
        return self.text.strip()


class OfPosition(Predicate):
    """A condition on the position, evaluated in the loop."""

    def __init__(
        self, shown: str, test: Callable[[PositionArrays], Truth], *, needs_range: bool = False
    ) -> None:
        self._shown, self._test, self._needs_range = shown, test, needs_range

    @property
    def needs_range(self) -> bool:
        """See `Predicate.needs_range`."""
        return self._needs_range

    def holds(self, flags: Mapping[str, Truth], positions: PositionArrays) -> Truth:  # noqa: ARG002
        """See `Predicate.holds`."""
        return self._test(positions)

    def possible(self, *, wanted: bool = True) -> str | None:  # noqa: ARG002
        """See `Predicate.possible`: either may be, anywhere."""
        return None

    @property
    def label(self) -> str:
        """The rule's name without its figures, as trades show it."""
        return self._shown.split("(", maxsplit=1)[0]

    def _settings(self) -> tuple[object, ...]:
        return (self._shown,)

    def __repr__(self) -> str:
        return self._shown


class _Many(Predicate):
    """Rules of which all, or one, must hold."""

    word, decisive = "", 0.0
    rules: tuple[Predicate, ...]

    def __init__(self, rules: tuple[Predicate, ...]) -> None:
        flat: list[Predicate] = []
        for rule in rules:
            flat += rule.rules if isinstance(rule, type(self)) else (rule,)
        self.rules = tuple(flat)

    def holds(self, flags: Mapping[str, Truth], positions: PositionArrays) -> Truth:
        """See `Predicate.holds`."""
        truths = [rule.holds(flags, positions) for rule in self.rules]
        known = np.any([truth == self.decisive for truth in truths], axis=0)
        # What decides, decides; else one that is missing makes the whole missing.
        rest: Truth = np.sum(truths, axis=0)
        return np.where(known, self.decisive, np.where(np.isnan(rest), rest, 1 - self.decisive))

    def merged(self) -> Predicate:
        """See `Predicate.merged`."""
        parts = [rule.merged() for rule in self.rules]
        kept: list[Predicate] = [part for part in parts if not isinstance(part, InSQL)]
        # What looks at the bar before is read another way than text, so the two stay apart.
        for before in (False, True):
            group = [
                part for part in parts if isinstance(part, InSQL) and part.is_about_before == before
            ]
            if group:
                kept.append(_joined(group, self.word))
        return kept[0] if len(kept) == 1 else type(self)(tuple(kept))

    def texts(self) -> tuple[str, ...]:
        """See `Predicate.texts`."""
        return tuple(dict.fromkeys(text for rule in self.rules for text in rule.texts()))

    def expressions(self) -> tuple[str, ...]:
        """See `Predicate.expressions`."""
        return _expressions(self.rules)

    def possible(self, *, wanted: bool = True) -> str | None:
        """See `Predicate.possible`."""
        parts = [rule.possible(wanted=wanted) for rule in self.rules]
        # All must hold: one that is open narrows nothing. One must: an open one may be it.
        is_all = (self.decisive == 0.0) == wanted
        if not is_all and None in parts:
            return None
        texts = [f"({part})" for part in parts if part is not None]
        return (" and " if is_all else " or ").join(texts) or None

    @property
    def needs_range(self) -> bool:
        """See `Predicate.needs_range`."""
        return any(rule.needs_range for rule in self.rules)

    def _settings(self) -> tuple[object, ...]:
        return self.rules

    def __repr__(self) -> str:
        return f" {self.word} ".join(
            f"({rule!r})" if isinstance(rule, _Many) else repr(rule) for rule in self.rules
        )


class And(_Many):
    """Rules that must all hold."""

    word, decisive = "and", 0.0


class Or(_Many):
    """Rules of which one must hold."""

    word, decisive = "or", 1.0


class Not(Predicate):
    """A rule that must be false; where it is missing, so is this."""

    def __init__(self, rule: Predicate) -> None:
        self.rule = _predicate(rule)

    def holds(self, flags: Mapping[str, Truth], positions: PositionArrays) -> Truth:
        """See `Predicate.holds`."""
        return 1.0 - self.rule.holds(flags, positions)

    def merged(self) -> Predicate:
        """See `Predicate.merged`."""
        inner = self.rule.merged()
        if isinstance(inner, InSQL):
            return InSQL(f"not ({inner.text})", expressions=inner.expressions())
        return Not(inner)

    def texts(self) -> tuple[str, ...]:
        """See `Predicate.texts`."""
        return self.rule.texts()

    def expressions(self) -> tuple[str, ...]:
        """See `Predicate.expressions`."""
        return self.rule.expressions()

    def possible(self, *, wanted: bool = True) -> str | None:
        """See `Predicate.possible`."""
        return self.rule.possible(wanted=not wanted)

    @property
    def needs_range(self) -> bool:
        """See `Predicate.needs_range`."""
        return self.rule.needs_range

    def _settings(self) -> tuple[object, ...]:
        return (self.rule,)

    def __repr__(self) -> str:
        return f"not ({self.rule!r})"


def _predicate(value: object) -> Predicate:
    if not isinstance(value, Predicate):
        raise ConfigError(f"a rule combines with rules only, was {value!r}")
    return value


def _joined(rules: list[InSQL], word: str) -> InSQL:
    if len(rules) == 1:
        return rules[0]
    return InSQL(
        f" {word} ".join(f"({rule.text})" for rule in rules), expressions=_expressions(rules)
    )


def _expressions(rules: Sequence[Predicate]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for rule in rules for text in rule.expressions()))
