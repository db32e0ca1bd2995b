"""RiskManager: asks every rule after each close, merges, and hands levels to the broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.journal import Decision, Journal
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution.broker import Levels, SimulationBroker, Touched
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.risk.rules import Held, RiskRule


class RiskManager:
    """A list of rules; one manager can serve any number of runs.

    Parameters
    ----------
    rules : sequence of RiskRule
        Merged as `RiskDecision.merge` says; the order breaks ties.

    Examples
    --------
    >>> from ml4t.backtest.risk import RiskManager, StopLoss, TimeBasedExit
    >>> RiskManager([StopLoss(0.05)]).add_rule(TimeBasedExit(60)).rule_names
    ('StopLoss', 'TimeBasedExit')
    """

    def __init__(self, rules: Sequence[RiskRule] = ()) -> None:
        self.rules: list[RiskRule] = []
        for rule in rules:
            self.add_rule(rule)

    def add_rule(self, rule: RiskRule) -> RiskManager:
        """Append a rule and return the manager, so that calls chain."""
        if not isinstance(rule, RiskRule):
            raise ConfigError(f"a risk rule must be a RiskRule, was {rule!r}")
        self.rules.append(rule)
        return self

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Names in rule order; two rules of one kind are told apart by ``#2``, ``#3``."""
        names: list[str] = []
        for rule in self.rules:
            n = sum(name.split("#")[0] == rule.name for name in names) + 1
            names.append(rule.name if n == 1 else f"{rule.name}#{n}")
        return tuple(names)

    @property
    def features(self) -> tuple[str, ...]:
        """Columns of ``signals`` that the rules read, each once."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.features))

    @property
    def has_levels(self) -> bool:
        """Whether any rule sets levels, so that bars need a high and a low."""
        return any(rule.has_levels for rule in self.rules)


class RiskDesk:
    """One run's risk state: what each rule said before, and what it saw.

    Parameters
    ----------
    manager : RiskManager
    portfolio, broker, journal
        Read, handed levels and exits, and told of every rule that acted.
    """

    def __init__(
        self, manager: RiskManager, portfolio: Portfolio, broker: SimulationBroker, journal: Journal
    ) -> None:
        n_assets = len(portfolio.quantity)
        self._names = manager.rule_names
        self._rules = manager.rules
        # Higher priority first; a stable sort keeps the named order among equals.
        self._by_priority = sorted(range(len(self._rules)), key=lambda i: -self._rules[i].priority)
        self._portfolio, self._broker, self._journal = portfolio, broker, journal
        self._last_stop = [np.full(n_assets, np.nan) for _ in self._rules]
        self._seen = {name: np.full(n_assets, np.nan) for name in manager.features}
        self._known: Mapping[str, Floats] = {}
        self._has_levels = manager.has_levels
        self._blank = _Blank(n_assets)

    def guard_entries(self, t: int, opened: Ints) -> None:
        """Set levels for positions opened at this bar's open, from what was known before it."""
        if not len(opened) or not self._rules:
            return
        n = len(opened)
        features = {
            name: self._known[name][opened] if self._known else self._blank.missing(n)
            for name in self._seen
        }
        for last in self._last_stop:
            last[opened] = np.nan
        close = self._portfolio.mark[opened]
        bars_held = np.zeros(n, dtype=np.int64)
        self._evaluate(t, opened, close, bars_held, features, entry_bar=True)

    def report(self, t: int, touched: Touched | None) -> None:
        """Log the levels that closed a position, with what their rule saw when it set them."""
        if touched is None:
            return
        for sid, is_stop, rule, level in zip(
            touched.sids.tolist(), touched.is_stop.tolist(), touched.rule.tolist(),
            touched.level.tolist(), strict=True,
        ):  # fmt: skip
            self._log(t, sid, rule, "stop" if is_stop else "target", level)

    def protect(self, batch: Batch) -> None:
        """Evaluate every rule at the close, for held assets that have a bar."""
        held = self._portfolio.held
        self._known = batch.features
        sids = held[~np.isnan(batch.close[held])]
        if len(sids) and self._rules:
            features = {name: batch.features[name][sids] for name in self._seen}
            bars_held = batch.t - self._portfolio.entry_t[sids] + 1
            self._evaluate(batch.t, sids, batch.close[sids], bars_held, features, entry_bar=False)

    def _evaluate(
        self,
        t: int,
        sids: Ints,
        close: Floats,
        bars_held: Ints,
        features: Mapping[str, Floats],
        *,
        entry_bar: bool,
    ) -> None:
        for name, values in features.items():
            self._seen[name][sids] = values
        portfolio = self._portfolio
        side = np.sign(portfolio.quantity[sids])
        entry_price, water_mark = portfolio.entry_price(sids), portfolio.water_mark[sids]
        n, blank = len(sids), self._blank
        stops, targets = _Tightest(n, blank), _Tightest(n, blank)
        exit_rule, exit_priority, has_exits = blank.nobody(n), blank.lowest(n), False
        for i in self._by_priority:
            rule = self._rules[i]
            held = Held(
                side=side,
                entry_price=entry_price,
                water_mark=water_mark,
                close=close,
                bars_held=bars_held,
                features=features,
                last_stop=self._last_stop[i][sids],
            )
            stop, target = rule.stop(held), rule.target(held)
            if stop is not None:
                self._last_stop[i][sids] = stop
                stops.offer(i, rule.priority, side * stop)
            if target is not None:
                targets.offer(i, rule.priority, -side * target)
            exits = None if entry_bar else rule.exits(held)
            if exits is not None:
                fires = exits & (exit_rule < 0)
                exit_rule = np.where(fires, i, exit_rule)
                exit_priority = np.where(fires, float(rule.priority), exit_priority)
                has_exits = True
        if self._has_levels:
            self._broker.set_levels(
                Levels(
                    set_t=t,
                    sids=sids,
                    stop=side * stops.best,
                    target=targets.best if targets.is_empty else -side * targets.best,
                    stop_rule=stops.rule,
                    target_rule=targets.rule,
                )
            )
        if has_exits:
            # At equal priority an exit beats a level; one of higher priority holds it back.
            held_back_by = np.maximum(stops.priority, targets.priority)
            stands = (exit_rule >= 0) & (exit_priority >= held_back_by)
            self._leave(t, sids[stands], exit_rule[stands].tolist())

    def _leave(self, t: int, sids: Ints, rules: list[int]) -> None:
        """Order the exits that stand, and log which rule asked for each."""
        if rules:
            self._broker.order_exits(t, sids, tuple(self._names[i] for i in rules))
            for sid, i in zip(sids.tolist(), rules, strict=True):
                self._log(t, sid, i, "exit", float("nan"))

    def _log(self, t: int, sid: int, rule: int, action: str, level: float) -> None:
        seen = {name: float(self._seen[name][sid]) for name in self._rules[rule].features}
        self._journal.decision(
            Decision(
                t=t,
                sid=sid,
                rule=self._names[rule],
                action=action,
                level=level,
                reason=self._rules[rule].reason,
                features={name: value for name, value in seen.items() if value == value},
            )
        )


class _Blank:
    """Empty vectors of any length, as views: most bars only read them."""

    def __init__(self, n_assets: int) -> None:
        self._missing = np.full(n_assets, np.nan)
        self._lowest = np.full(n_assets, -np.inf)
        self._nobody = np.full(n_assets, -1, dtype=np.int64)
        for vector in (self._missing, self._lowest, self._nobody):
            vector.flags.writeable = False

    def missing(self, n: int) -> Floats:
        """Return `n` times NaN: no level."""
        return self._missing[:n]

    def lowest(self, n: int) -> Floats:
        """Return `n` times minus infinity: below every priority."""
        return self._lowest[:n]

    def nobody(self, n: int) -> Ints:
        """Return `n` times -1: no rule."""
        return self._nobody[:n]


class _Tightest:
    """The winning level per position; offers come in falling priority."""

    def __init__(self, n: int, blank: _Blank) -> None:
        self.best, self.rule, self.priority = blank.missing(n), blank.nobody(n), blank.lowest(n)
        self.is_empty = True

    def offer(self, rule: int, priority: int, tightness: Floats) -> None:
        """Take the offer where there is none yet, or at equal priority a looser one."""
        is_offered = ~np.isnan(tightness)
        if self.is_empty:
            wins = is_offered
            self.is_empty = False
        else:
            wins = np.isnan(self.best) & is_offered
            wins |= (self.priority == priority) & (tightness > self.best)
        self.best = np.where(wins, tightness, self.best)
        self.rule = np.where(wins, rule, self.rule)
        self.priority = np.where(wins, float(priority), self.priority)
