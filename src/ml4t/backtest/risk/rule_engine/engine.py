"""RuleEngine: one run's risk. Asks the rules, merges what they say, and hands it to the broker.

A level resting in the broker acts inside the next bars; under `Trigger.NEXT_OPEN` no level rests
anywhere: the desk compares each bar with its levels after the close, and a touch is an exit at
the next open. Steps: ask and merge (`panel`, `tree`, `merge`), remember (`memory`), act (here).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints
from ml4t.backtest.core.journal import Decision, Journal
from ml4t.backtest.core.levels import LevelPolicy, Levels, Touched, Trigger
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.stretch import Stretch, last_rows
from ml4t.backtest.core.tolerances import UNSHRUNK
from ml4t.backtest.risk.manager import RiskManager
from ml4t.backtest.risk.rule_engine.activity import RuleActivity
from ml4t.backtest.risk.rule_engine.evaluator import HeldPositions, RuleEvaluator
from ml4t.backtest.risk.rule_engine.looking_ahead import Looked, levels_of
from ml4t.backtest.risk.rule_engine.merge import Merged, touches
from ml4t.backtest.risk.rule_engine.rule_tree import Whole, spans_bars


class ExitBroker(Protocol):
    """What the desk asks of the broker."""

    def set_levels(self, levels: Levels) -> None:
        """Replace the protective levels of ``levels.sids``."""
        ...

    def touched_over(self, stretch: Stretch, levels: Levels, asked: Bools) -> Bools:
        """Say at which bars a level in force of each position is touched."""
        ...

    def order_exits(
        self, t: int, sids: Ints, rules: tuple[str, ...], parts: Floats | None = None
    ) -> None:
        """Close positions at the next open: `parts` of their peak quantity, None: all of it."""
        ...


class RuleEngine:
    """One run's risk state: what each rule said before, and what it saw.

    Parameters
    ----------
    manager : RiskManager
    portfolio, broker, journal
        Read, handed levels and exits, and told of every rule that acted.
    policy : LevelPolicy
    whole : callable, optional
        ``whole(sids, quantity)`` cuts quantities toward zero to whole lots; by default any
        fraction can be traded.

    Attributes
    ----------
    has_steps : bool
        Whether a target of some rule closes a part of its position.
    """

    def __init__(
        self,
        manager: RiskManager,
        portfolio: HeldPositions,
        broker: ExitBroker,
        journal: Journal,
        policy: LevelPolicy,
        *,
        whole: Whole | None = None,
    ) -> None:
        self._names = manager.rule_names
        self._panel = RuleEvaluator(manager.rules, portfolio, policy, whole)
        self._roots, self._memory = self._panel.roots, self._panel.memory
        self._portfolio, self._broker, self._journal = portfolio, broker, journal
        self._policy = policy
        self._rests = policy.trigger != Trigger.NEXT_OPEN
        self._has_levels = manager.has_levels
        self._closed_t = -1
        # On an entry bar a rule made of rules hears only those with levels, and only a target of a
        # part says that it closes one: both are asked at the fill.
        self.has_steps = any(one.step_row >= 0 for root in self._roots for one in root.walk())
        is_plain = not (self.has_steps or any(root.children for root in self._roots))
        from_entry = policy.stop_from_entry and policy.trail_from_entry
        self._can_hold, self._holds_entries = is_plain and from_entry, False
        self._entries = NO_SIDS
        # The first bar that a position saw: not that at whose close it was opened.
        self._first_t = np.zeros(len(portfolio.quantity), dtype=np.int64)
        # Steps whose exit is ordered: sid -> row of the step, share of the peak quantity held.
        self._waiting: dict[int, tuple[int, float]] = {}
        self._n_asked = 0
        # Rules that read columns, until one row of them had a value.
        self._blind = {
            i: names
            for i, rule in enumerate(manager.rules)
            if (names := [n for one in rule.walk() for n in (*one.features, *one.conditions)])
        }
        self._n_fired = [0] * len(self._roots)
        self._reasons = tuple(rule.reason for rule in manager.rules)
        self._seen_by = tuple(
            tuple(dict.fromkeys(name for one in rule.walk() for name in one.features))
            for rule in manager.rules
        )

    def follow(self, places: Collection[int]) -> None:
        """Ask from now on the rules at some places alone; what others have set rests for a bar."""
        self._panel.follow(places)

    # -- what the loop calls ----------------------------------------------------------

    def guard_entries(self, t: int, opened: Ints, *, at_close: bool = False) -> None:
        """Start anew for positions just opened or turned over, and set their first levels.

        Levels of the entry bar come from what was known before it. Called for every such
        position, at once, whatever the policy; after `protect` of the same bar the levels come
        from that close and are those of the next bar.

        Parameters
        ----------
        t : int
        opened : int array
        at_close : bool
            The fill was made at the close, so that nothing of this bar can touch a level.
        """
        if not len(opened) or not self._roots:
            return
        is_closed = self._closed_t == t
        self._memory.forget(opened)
        self._first_t[opened] = t + (at_close or is_closed)
        for sid in opened.tolist() if self._waiting else ():
            self._waiting.pop(sid, None)
        is_on_entry_bar = self._policy.stop_from_entry and not at_close
        if not (self._rests and self._has_levels and (is_closed or is_on_entry_bar)):
            return
        if self._holds_entries and not (at_close or is_closed):
            self._entries = opened
        else:
            self._protect_entries(t, opened, is_closed=is_closed)

    def hold_entries(self) -> None:
        """Set no levels at the fills of this open, after which the rest of the bar is looked at.

        `look_ahead` asks for them beside those of the bars that follow; where nothing of it is
        passed over, `protect_entries` is to be called.
        """
        self._holds_entries = self._can_hold

    def protect_entries(self, t: int) -> None:
        """Set the first levels of what was opened at the open of a bar and has none yet."""
        opened, self._entries, self._holds_entries = self._entries, NO_SIDS, False
        if len(opened):
            self._protect_entries(t, opened, is_closed=False)

    def _protect_entries(self, t: int, opened: Ints, *, is_closed: bool) -> None:
        has_trails = is_closed or self._policy.trail_from_entry
        bars_held = np.zeros(len(opened), dtype=np.int64)
        close = self._portfolio.mark[opened]
        merged = self._panel.ask(opened, close, bars_held, is_entry=True, has_trails=has_trails)
        # On the entry bar they are those that the close before it decided.
        self._set_levels(t if is_closed else t - 1, opened, merged)

    def report(self, t: int | Ints, touched: Touched) -> None:
        """Log the levels that closed a position or a part of it, and count the steps done."""
        sids = touched.sids
        ts = [t] * len(sids) if isinstance(t, int) else t.tolist()
        rules = touched.rule.tolist()
        for at, sid, is_stop, rule, level, is_done, seen in zip(
            ts, sids.tolist(), touched.is_stop.tolist(), rules, touched.level.tolist(),
            touched.is_done.tolist(), self._seen(sids, rules), strict=True,
        ):  # fmt: skip
            self._log(at, sid, rule, "stop" if is_stop else "target", level, seen)
            row = self._step_row(rule, sid, level) if is_done and not is_stop else -1
            if row >= 0:
                self._memory.steps_done[row][sid] += 1

    def protect(self, batch: Batch) -> None:
        """Ask every rule at the close, for held assets that have a bar."""
        if not self._roots:
            return
        self._closed_t = batch.t
        self._memory.know(batch.features)
        if self._waiting:
            self._count_waiting()
        sids = self._portfolio.held
        close = batch.close[sids]
        has_bar = close == close
        if not has_bar.all():
            sids, close = sids[has_bar], close[has_bar]
        if not len(sids):
            return
        self._n_asked += len(sids)
        if self._blind:
            self._look_for_values(batch, sids)
        bars_held = batch.t - self._first_t[sids] + 1
        merged = self._panel.ask(sids, close, bars_held, is_entry=False, has_trails=True)
        if not self._has_levels:
            self._leave(batch.t, sids, merged)
        elif self._rests:
            self._set_levels(batch.t, sids, merged)
            self._leave(batch.t, sids, merged)
        else:
            self._leave_touched(batch, sids, merged)

    @property
    def has_rules(self) -> bool:
        """Whether there are any."""
        return bool(self._roots)

    @property
    def waits(self) -> bool:
        """Whether exits were ordered of which the next close has to be told what they have sold."""
        return bool(self._waiting)

    @property
    def must_see_every_bar(self) -> bool:
        """Whether some rule can be asked about one bar only."""
        return not all(spans_bars(root.rule) for root in self._roots)

    def must_see(self, chunk: Chunk) -> bool:
        """Whether the rules read what is computed when they ask, so that they ask at every bar."""
        return not all(chunk.is_read(name) for name in self._memory.read)

    def look_ahead(self, stretch: Stretch) -> Looked | None:
        """Return what the rules say of what is held, bar by bar; None: there is nothing to ask."""
        if not self._roots or not len(stretch.held):
            return None
        return self._panel.ask_over(stretch, self._first_t[stretch.held], self._entries)

    def stirs(self, stretch: Stretch, looked: Looked) -> tuple[Bools | None, Bools | None]:
        """Return at which closes positions are to be left, and in which bars levels close them.

        Each is ``[bars, held]``, or None: at none. A position that is closed inside a bar is none
        any more at its close.
        """
        leaves = looked.leaves
        if not self._has_levels:
            return leaves, None
        if self._rests:
            levels = looked.levels(stretch)
            return leaves, self._broker.touched_over(stretch, levels, looked.asked)
        touched = looked.touched(stretch)
        return touched if leaves is None else touched | leaves, None

    def pass_over(
        self, stretch: Stretch, last_bar: Batch, looked: Looked | None, ends: Ints
    ) -> None:
        """Remember what was said up to a bar of a stretch.

        Parameters
        ----------
        ends : int array
            Row of the bar at whose close each position is asked no more.
        """
        if not self._roots:
            return
        self._closed_t = last_bar.t
        self._memory.know(last_bar.features)
        self._entries, self._holds_entries = NO_SIDS, False
        if looked is None:
            return
        asked = looked.asked_before(last_bar.t + 1 - stretch.first_t, ends)
        last, at_closes = last_rows(asked), asked[looked.n_before :]
        self._n_asked += int(np.count_nonzero(at_closes))
        for i, names in list(self._blind.items()):
            read = (looked.view.features[name][looked.n_before : len(asked)] for name in names)
            if any((~np.isnan(values) & at_closes).any() for values in read):
                del self._blind[i]
        self._memory.keep_over(looked.view, last)
        if self._has_levels and self._rests:
            self._broker.set_levels(looked.levels(stretch).at(last))

    def split(self, sid: int, ratio: float) -> None:
        """Divide all levels of one asset by the ratio of a split, before anything fills."""
        self._memory.split(sid, ratio)

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend off all levels of one asset, before anything fills."""
        self._memory.go_ex(sid, value)

    def rename(self, old_sid: int, new_sid: int, *, with_levels: bool = True) -> None:
        """Move what the rules said of one asset to the one that it became."""
        if not with_levels:
            self.delist(old_sid)
            return
        self._memory.rename(old_sid, new_sid)
        self._first_t[new_sid] = self._first_t[old_sid]
        if old_sid in self._waiting:
            self._waiting[new_sid] = self._waiting.pop(old_sid)

    def delist(self, sid: int) -> None:
        """Forget what the rules said of an asset that trades no more."""
        self._memory.forget(np.array([sid]))
        self._waiting.pop(sid, None)

    def activity(self) -> list[RuleActivity]:
        """Return how often each rule was asked and acted, in the order in which they were named."""
        return [
            RuleActivity(name=name, evaluated=0 if i in self._blind else self._n_asked, fired=fired)
            for i, (name, fired) in enumerate(zip(self._names, self._n_fired, strict=True))
        ]

    def _look_for_values(self, batch: Batch, sids: Ints) -> None:
        """Find out which rules have something to go by."""
        for i, names in list(self._blind.items()):
            if any(not np.isnan(batch.features[name][sids]).all() for name in names):
                del self._blind[i]

    # -- acting -----------------------------------------------------------------------

    def _set_levels(self, t: int, sids: Ints, merged: Merged) -> None:
        self._broker.set_levels(levels_of(t, sids, merged))

    def _leave(self, t: int, sids: Ints, merged: Merged) -> None:
        """Order the exits that stand, and log which rule asked for each."""
        if merged.exits is None:
            return
        stands = merged.exits >= 0
        rules = merged.exits[stands].tolist()
        if rules:
            sids = sids[stands]
            self._broker.order_exits(t, sids, tuple(self._names[i] for i in rules))
            for sid, i, seen in zip(sids.tolist(), rules, self._seen(sids, rules), strict=True):
                self._log(t, sid, i, "exit", float("nan"), seen)

    def _leave_touched(self, batch: Batch, sids: Ints, merged: Merged) -> None:
        """Order the exits that stand and, elsewhere, those whose level this bar touched."""
        low = (batch.close if batch.low is None else batch.low)[sids]
        high = (batch.close if batch.high is None else batch.high)[sids]
        side = np.sign(self._portfolio.quantity[sids])
        is_stop, is_target, rule, level = touches(merged, side, low, high)
        rule = np.where(self._first_t[sids] <= batch.t, rule, -1)
        if merged.exits is not None:
            is_exit = merged.exits >= 0
            rule = np.where(is_exit, merged.exits, rule)
            level = np.where(is_exit, np.nan, level)
            is_stop, is_target = is_stop & ~is_exit, is_target & ~is_exit
        leaves = np.flatnonzero(rule >= 0)
        if not len(leaves):
            return
        names = tuple(self._names[i] for i in rule[leaves].tolist())
        if merged.targets.part is None:
            self._broker.order_exits(batch.t, sids[leaves], names)
        else:
            parts = np.where(is_target, merged.targets.part, 1.0)
            self._broker.order_exits(batch.t, sids[leaves], names, parts[leaves])
        seen = self._seen(sids[leaves], rule[leaves].tolist())
        for k, features in zip(leaves.tolist(), seen, strict=True):
            action = "stop" if is_stop[k] else "target" if is_target[k] else "exit"
            sid, i, price = int(sids[k]), int(rule[k]), float(level[k])
            self._log(batch.t, sid, i, action, price, features)
            row = self._step_row(i, sid, price) if is_target[k] else -1
            if row >= 0:
                self._waiting[sid] = (row, self._share(sid))

    # -- steps ------------------------------------------------------------------------

    def _step_row(self, rule: int, sid: int, level: float) -> int:
        """Return the row of the rule with steps, inside `rule`, whose target was touched; or -1.

        The nearest one: a broker may have rounded the level to a tick.
        """
        rows = [node.step_row for node in self._roots[rule].walk() if node.step_row >= 0]
        gaps = {row: abs(float(self._memory.offered[row][sid]) - level) for row in rows}
        known = {row: gap for row, gap in gaps.items() if gap == gap}
        return min(known, key=lambda row: known[row], default=-1)

    def _share(self, sid: int) -> float:
        portfolio = self._portfolio
        return abs(float(portfolio.quantity[sid])) / float(portfolio.peak_quantity[sid])

    def _count_waiting(self) -> None:
        """Count the steps whose exit was filled since; one that was not asks again."""
        for sid, (row, share) in self._waiting.items():
            if self._portfolio.quantity[sid] and self._share(sid) < share * (1 - UNSHRUNK):
                self._memory.steps_done[row][sid] += 1
        self._waiting = {}

    def _seen(self, sids: Ints, rules: Sequence[int]) -> list[dict[str, float]]:
        """Return what the rule that acts on each asset saw when last asked, if it has a value."""
        values = self._memory.seen(sids)
        return [
            {name: value for name in self._seen_by[rule] if (value := values[name][i]) == value}
            for i, rule in enumerate(rules)
        ]

    def _log(
        self, t: int, sid: int, rule: int, action: str, level: float, seen: dict[str, float]
    ) -> None:
        self._n_fired[rule] += 1
        self._journal.record(
            Decision(
                t=t,
                sid=sid,
                rule=self._names[rule],
                action=action,
                level=level,
                reason=self._reasons[rule],
                features=seen,
            )
        )
