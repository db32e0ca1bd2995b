"""RiskManager: the rules and limits of a backtest, in the order that settles ties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ml4t.backtest.errors import ConfigError
from ml4t.backtest.risk.base import RiskRule, require_column, require_priority
from ml4t.backtest.risk.limit import Limit


class RiskManager:
    """Rules that protect positions and limits on the portfolio; serves any number of runs.

    Parameters
    ----------
    rules : sequence of RiskRule
        Merged as `RiskDecision.merge` says; the order breaks ties.
    limits : sequence of Limit
        Applied in this order, each to what the one before it left.

    Examples
    --------
    >>> from ml4t.backtest.risk import RiskManager, StopLoss, TimeBasedExit
    >>> RiskManager([StopLoss(0.05)]).add_rule(TimeBasedExit(60)).rule_names
    ('StopLoss', 'TimeBasedExit')
    """

    def __init__(self, rules: Sequence[RiskRule] = (), limits: Sequence[Limit] = ()) -> None:
        self.rules: list[RiskRule] = []
        self.limits: list[Limit] = []
        for rule in rules:
            self.add_rule(rule)
        for limit in limits:
            self.add_limit(limit)

    def add_rule(self, rule: RiskRule) -> RiskManager:
        """Append a rule and return the manager, so that calls chain."""
        _require_rule(rule)
        self.rules.append(rule)
        return self

    def add_limit(self, limit: Limit) -> RiskManager:
        """Append a limit and return the manager, so that calls chain."""
        if not isinstance(limit, Limit):
            raise ConfigError(f"a portfolio limit must be a Limit, was {limit!r}")
        self.limits.append(limit)
        return self

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Names in rule order; two rules of one kind are told apart by ``#2``, ``#3``."""
        return _told_apart(rule.name for rule in self.rules)

    @property
    def limit_names(self) -> tuple[str, ...]:
        """Names in limit order, told apart from each other and from the rules."""
        names = [*self.rule_names, *(limit.name for limit in self.limits)]
        return _told_apart(names)[len(self.rules) :]

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that rules and limits read, each once."""
        named = [name for rule in self._all_rules() for name in rule.features]
        named += [name for limit in self.limits for name in limit.features]
        return tuple(dict.fromkeys(named))

    @property
    def conditions(self) -> tuple[str, ...]:
        """SQL conditions over ``signals`` that the rules read, each once.

        Each is a feature too, under its own text: 1 true, 0 false, NaN NULL.
        """
        named = (text for rule in self._all_rules() for text in rule.conditions)
        return tuple(dict.fromkeys(named))

    @property
    def has_levels(self) -> bool:
        """Whether any rule sets levels, which act inside a bar."""
        return any(rule.has_levels for rule in self.rules)

    @property
    def needs_range(self) -> bool:
        """Whether any rule reads levels or water marks, so that bars need a high and a low."""
        return any(rule.needs_range for rule in self.rules)

    def _all_rules(self) -> Iterator[RiskRule]:
        for rule in self.rules:
            yield from rule.walk()


def _require_rule(rule: object) -> None:
    """Raise a `ConfigError` unless `rule`, and each rule inside it, is one that a run can ask."""
    if not isinstance(rule, RiskRule):
        raise ConfigError(f"a risk rule must be a RiskRule, was {rule!r}")
    require_priority(rule.priority)
    for name in (*rule.features, *rule.price_features, *rule.conditions):
        require_column(f"a feature of rule {rule.name}", name)
    stray = sorted(set(rule.price_features) - set(rule.features))
    if stray:
        raise ConfigError(
            f"price_features of rule {rule.name} must be among its features, was {stray}"
        )
    if rule.children and type(rule).combine is RiskRule.combine:
        raise ConfigError(f"rule {rule.name} has children and no method combine")
    for child in rule.children:
        _require_rule(child)


def _told_apart(names: Iterable[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for name in names:
        unique, n = name, 1
        while unique in taken:
            n += 1
            unique = f"{name}#{n}"
        taken.append(unique)
    return tuple(taken)
