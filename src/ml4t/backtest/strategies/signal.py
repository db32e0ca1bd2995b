"""SignalStrategy: entries and exits as rules, signals in SQL and positions in the loop."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.batch import Batch, Ints
from ml4t.backtest.core.by_value import ByValue
from ml4t.backtest.core.selecting import RuleQuery
from ml4t.backtest.core.values import PREVIOUS
from ml4t.backtest.data.sql_files import previous_of, quote_feature, render
from ml4t.backtest.errors import ConfigError, require_list
from ml4t.backtest.strategies.predicate import And, InSQL, OfPosition, Or, Predicate
from ml4t.backtest.strategies.sizers import Entry, Sizer, require_sizer
from ml4t.backtest.strategy.base import Strategy
from ml4t.backtest.strategy.broker import StrategyBroker

SIGNAL = "signal"


class SignalStrategy(ByValue, Strategy):
    """Enters where all entry rules hold, leaves where one exit rule holds.

    Rules on signals and context are one SQL predicate for entries and one for each exit, evaluated
    by DuckDB over the whole history; the loop sees the rows that may enter, and what is held.
    Orders go out at the close in asset order and fill at the next open. An asset that leaves does
    not enter at the same close; one that is held enters again unless a rule says
    `Rule.not_in_position`.

    Parameters
    ----------
    entry_rules : sequence of Predicate
        Made by `Rule`; at least one.
    exit_rules : sequence of Predicate
        Asked of what is held, in their order; the first that holds is the trade's ``exit_rule``
        (``signal`` for rules on signals).
    position_sizer : Sizer

    Raises
    ------
    ConfigError
        A rule was not made by `Rule`, a sizer no `Sizer`.

    Examples
    --------
    >>> from ml4t.backtest.strategies import PercentSizer, Rule, SignalStrategy
    >>> strategy = SignalStrategy(
    ...     entry_rules=[Rule.signal_above("ml_pred", 0.8), Rule.not_in_position()],
    ...     exit_rules=[Rule.stop_loss(0.05), Rule.take_profit(0.15)],
    ...     position_sizer=PercentSizer(0.95),
    ... )
    """

    is_reusable = True

    def __init__(
        self,
        entry_rules: Sequence[Predicate],
        exit_rules: Sequence[Predicate] = (),
        *,
        position_sizer: Sizer,
    ) -> None:
        self.entry_rules = _rules("entry_rules", entry_rules)
        self.exit_rules = _rules("exit_rules", exit_rules)
        if not self.entry_rules:
            raise ConfigError("entry_rules must hold at least one rule, was empty")
        self.position_sizer = require_sizer(position_sizer)
        # What cannot be sized is not entered.
        sized = (InSQL(f"{quote_feature(n)} is not null") for n in position_sizer.features)
        self._entry = And((*self.entry_rules, *sized)).merged()
        self._exits = tuple(rule.merged() for rule in self.exit_rules)
        self._may_enter = self._entry.possible()

    @property
    def needs_range(self) -> bool:
        """Whether bars need a high and a low: only trailing stops follow them."""
        return any(rule.needs_range for rule in (self._entry, *self._exits))

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the sizer reads."""
        return self.position_sizer.features

    @property
    def conditions(self) -> tuple[str, ...]:  # type: ignore[override]
        """The SQL of the rules."""
        texts = [text for rule in (self._entry, *self._exits) for text in rule.texts()]
        texts += [] if self._may_enter is None else [self._may_enter]
        return tuple(dict.fromkeys(texts))

    @property
    def expressions(self) -> tuple[str, ...]:  # type: ignore[override]
        """The SQL that its user wrote."""
        return Or((self._entry, *self._exits)).expressions()

    def decide(self, batch: Batch, broker: StrategyBroker) -> None:
        """Send exits and entries of a close, in asset order."""
        leaving = self._leaving(batch, broker)
        entering = self._entering(batch, broker).tolist()
        for sid in sorted({*leaving, *entering}):
            if sid in leaving:
                self.close_position(broker.asset_id(sid), tag=leaving[sid])
            else:
                self.position_sizer.enter(Entry.at(self, sid, batch, self.position_sizer))

    def sql(self) -> str:
        """Return the query of the rows that may enter or leave, as ``catalog.sql`` takes it.

        ``may_enter`` and ``may_exit`` are true where signals and context allow it; what rules on
        positions say is known in the loop only, and an exit that they alone decide is not here.
        """
        rules = SignalStrategy.rules(self)
        return render(
            "signals/rules",
            previous=rules.previous,
            may_enter=rules.may_enter,
            may_exit=rules.may_exit,
            more="",
            chosen="may_enter or may_exit",
        )

    def rules(self) -> RuleQuery:
        """Return what the rules ask of signals and context."""
        texts = " ".join(self.conditions)
        quoted = re.findall(rf'"{PREVIOUS}((?:[^"]|"")+)"', texts)
        previous = dict.fromkeys(name.replace('""', '"') for name in quoted)
        exits = [f"({text})" for rule in self._exits if (text := rule.possible())]
        return RuleQuery(
            previous="".join(f", {previous_of(name, PREVIOUS + name)}" for name in previous),
            may_enter=self._may_enter or "true",
            may_exit=" or ".join(exits) or "false",
            entry_rules=tuple(
                (repr(rule), text) for rule in self.entry_rules if (text := rule.possible())
            ),
        )

    # -- inside -----------------------------------------------------------------------

    def _settings(self) -> tuple[object, ...]:
        return self.entry_rules, self.exit_rules, self.position_sizer

    def _leaving(self, batch: Batch, broker: StrategyBroker) -> dict[int, str]:
        """Return the held assets that leave, each with the name of the rule."""
        sids = broker.held_sids
        if not len(sids) or not self._exits:
            return {}
        sids = sids[~np.isnan(batch.close[sids])]
        positions = broker.positions_at(sids)
        leaving: dict[int, str] = {}
        for rule in self._exits:
            flags = {text: batch.features[text][sids] for text in rule.texts()}
            holds = rule.holds(flags, positions) == 1.0
            label = rule.label if isinstance(rule, OfPosition) else SIGNAL
            for sid in sids[holds].tolist():
                leaving.setdefault(sid, label)
        return leaving

    def _entering(self, batch: Batch, broker: StrategyBroker) -> Ints:
        """Return the assets for which all entry rules hold."""
        may = ~np.isnan(batch.close) if self._may_enter is None else (
            batch.features[self._may_enter] == 1.0
        )  # fmt: skip
        sids = np.flatnonzero(may)
        if not len(sids) or isinstance(self._entry, InSQL):
            return sids
        flags = {text: batch.features[text][sids] for text in self._entry.texts()}
        holds = self._entry.holds(flags, broker.positions_at(sids)) == 1.0
        found: Ints = sids[holds]
        return found


def _rules(name: str, rules: Sequence[Predicate]) -> tuple[Predicate, ...]:
    given = require_list(name, rules, "rules")
    for rule in given:
        if not isinstance(rule, Predicate):
            raise ConfigError(f"each of {name} must be made by Rule, was {rule!r}")
    return tuple(rules)
