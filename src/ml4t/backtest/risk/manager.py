"""RiskManager: the rules and limits of a backtest, in the order that settles ties.

An engine wires them itself. The methods from `check_position_exits` on are for loops written by
hand; their state is in `by_hand`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ml4t.backtest.errors import ConfigError, require_columns, require_list
from ml4t.backtest.risk.limits.limit import Limit
from ml4t.backtest.risk.rules.rule import (
    RiskRule,
    require_priority,
    told_apart,
    unequal,
)

if TYPE_CHECKING:
    from ml4t.backtest.core.event import MarketEvent
    from ml4t.backtest.risk.hand_loop.loop import HandLoop
    from ml4t.backtest.risk.hand_loop.state import (
        FeatureSource,
        LoopAccount,
        LoopBroker,
        RecordedFill,
    )
    from ml4t.backtest.risk.rules.decision import RiskContext


class RiskManager:
    """Rules that protect positions and limits on the portfolio; serves any number of runs.

    Parameters
    ----------
    rules : sequence of RiskRule
        Merged as `RiskDecision.merge` says; the order breaks ties.
    limits : sequence of Limit
        Applied in this order, each to what the one before it left.
    feature_provider : FeatureSource, optional
        Where a loop written by hand finds features that its events do not carry; an engine reads
        them from its sources.

    Examples
    --------
    >>> from ml4t.backtest.risk import RiskManager, StopLoss, TimeBasedExit
    >>> RiskManager([StopLoss(0.05)]).add_rule(TimeBasedExit(60)).rule_names
    ('StopLoss', 'TimeBasedExit')
    """

    def __init__(
        self,
        rules: Sequence[RiskRule] = (),
        limits: Sequence[Limit] = (),
        *,
        feature_provider: FeatureSource | None = None,
    ) -> None:
        if hasattr(rules, "get_features"):
            raise ConfigError("rules came as a provider; give it as feature_provider=")
        if feature_provider is not None and not hasattr(feature_provider, "get_features"):
            raise ConfigError(
                f"feature_provider must have a method get_features(), was {feature_provider!r}"
            )
        self.feature_provider = feature_provider
        self.rules: list[RiskRule] = []
        self.limits: list[Limit] = []
        if isinstance(rules, RiskRule):
            raise ConfigError(f"rules must be a list of rules; write RiskManager([{rules!r}])")
        for rule in require_list("rules", rules, "rules"):
            self.add_rule(rule)
        for limit in require_list("limits", limits, "limits"):
            self.add_limit(limit)

    is_shown_whole = False

    def __repr__(self) -> str:
        """Show rules and limits in their order, and what kind of provider gives features."""
        limits = f", limits={self.limits!r}" if self.limits else ""
        provider = self.feature_provider
        given = f", feature_provider={type(provider).__name__}" if provider is not None else ""
        return f"RiskManager({self.rules!r}{limits}{given})"

    def add_rule(self, rule: object) -> RiskManager:
        """Append a rule and return the manager, so that calls chain."""
        self.rules.append(_rule(rule))
        return self

    def add_limit(self, limit: object) -> RiskManager:
        """Append a limit and return the manager, so that calls chain."""
        if not isinstance(limit, Limit):
            raise ConfigError(f"a portfolio limit must be a Limit, was {limit!r}")
        require_columns(f"features of limit {limit.name}", limit.features)
        require_columns(f"groups of limit {limit.name}", limit.groups)
        self.limits.append(limit)
        return self

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Names in rule order; two rules of one kind are told apart by ``#2``, ``#3``."""
        return told_apart(self.rules)

    @property
    def limit_names(self) -> tuple[str, ...]:
        """Names in limit order, told apart from each other and from the rules."""
        names = [*self.rule_names, *(limit.name for limit in self.limits)]
        return unequal(names)[len(self.rules) :]

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that rules and limits read, each once."""
        named = list(self.rule_features)
        named += [name for limit in self.limits for name in limit.features]
        return tuple(dict.fromkeys(named))

    @property
    def rule_features(self) -> tuple[str, ...]:
        """Columns that rules read of the positions held, each once."""
        named = (name for rule in self._all_rules() for name in rule.features)
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

    @property
    def why_open(self) -> str:
        """What of the rules and limits needs an open, and how to do without; empty: nothing."""
        limits = zip(self.limit_names, self.limits, strict=True)
        names = list(self.rule_names)
        names += [name for name, limit in limits if limit.start().trades_at_open]
        if not names:
            return ""
        verb = "trades" if len(names) == 1 else "trade"
        return (
            f"{', '.join(names)} {verb} at the next open; add the column, or leave such rules and "
            "limits out: a strategy's own orders and limits on weights need none"
        )

    # -- loops written by hand --------------------------------------------------------

    @cached_property
    def _loop(self) -> HandLoop:
        from ml4t.backtest.risk.hand_loop.loop import HandLoop

        return HandLoop(self.rules)

    def check_position_exits(
        self, event: MarketEvent, broker: LoopBroker, portfolio: LoopAccount | None = None
    ) -> list[Any]:
        """Return orders that leave the event's asset, for the loop to submit.

        To be called once for every event, whether or not the asset is held, in order of time.
        A level of the asset's last event that this bar has passed leaves at the level (see
        `LoopOrder.in_bar`); a rule that wants to leave does so at the event's close, where the
        event goes to the broker after this, else at the next open. Then the rules set the levels of
        the next event. Limits are for an engine alone. A second call for an event returns nothing.

        Parameters
        ----------
        event : MarketEvent
            With a range where it has one; else its close is all that levels are compared with.
        broker : LoopBroker
            A `SimulationBroker`, or what has its `get_position` and `exit_order`.
        portfolio : LoopAccount, optional
            With `equity`, for rules that read it.

        Returns
        -------
        list
            What `broker.exit_order` made; their `tag` is the rule's name.

        Raises
        ------
        ConfigError
            The event is older than the asset's last one, or a rule reads an SQL condition.
        """
        return self._loop.check(event, broker, portfolio, self.feature_provider)

    def record_fill(self, fill: RecordedFill, market_event: MarketEvent) -> None:
        """Take a fill, right after the broker made it.

        A position counts from here: entry price, water mark and bars held, from the bar of
        `market_event` on; of a fill with `at_close` from the bar after it. Without it the next
        `check_position_exits` finds the position out by itself, as one that was filled before
        the range of the asset's last bar.

        Parameters
        ----------
        fill : RecordedFill
            With `asset_id`, `quantity` (positive buys, negative sells) and `price` (per share).
        market_event : MarketEvent
            The event that filled it.
        """
        at_close = bool(getattr(fill, "at_close", False))
        self._loop.record(fill, market_event, at_close=at_close)

    def clear_cache(self, before_timestamp: datetime | None = None) -> None:
        """Forget the contexts, or those of events before a time.

        Never needed: there is one per asset held. Levels and water marks stay.
        """
        self._loop.clear(before_timestamp)

    def _build_context(
        self,
        asset_id: object,
        event: MarketEvent,
        broker: LoopBroker,
        portfolio: LoopAccount | None = None,
    ) -> RiskContext:
        """Return what the rules see of an asset at the close of its event, for debugging."""
        if event.asset_id != asset_id:
            raise ConfigError(f"the event must be one of {asset_id!r}, was {event!r}")
        return self._loop.context(event, broker, portfolio, self.feature_provider)

    # -- inside -----------------------------------------------------------------------

    def _all_rules(self) -> Iterator[RiskRule]:
        for rule in self.rules:
            yield from rule.walk()


def _rule(rule: object) -> RiskRule:
    """Return a rule; raise unless it, and each rule inside it, is one that a run can ask."""
    if not isinstance(rule, RiskRule):
        hint = "; limits go second, RiskManager(rules, limits)" if isinstance(rule, Limit) else ""
        raise ConfigError(f"a risk rule must be a RiskRule, was {rule!r}{hint}")
    require_priority(rule.priority)
    for name in ("features", "price_features", "conditions"):
        require_columns(f"{name} of rule {rule.name}", getattr(rule, name))
    stray = sorted(set(rule.price_features) - set(rule.features))
    if stray:
        raise ConfigError(
            f"price_features of rule {rule.name} must be among its features, was {stray}"
        )
    if rule.children and type(rule).combine is RiskRule.combine:
        raise ConfigError(f"rule {rule.name} has children and no method combine")
    for child in rule.children:
        _rule(child)
    return rule


def __getattr__(name: str) -> Any:
    """Return any public name of the package: rules are imported from here, too."""
    # Python has imported the package before any of its modules.
    package = sys.modules[__name__.rpartition(".")[0]]
    if name not in package.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(package, name)
