"""RuleEvaluator: asks every rule about some positions and merges what they say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.levels import LevelPolicy
from ml4t.backtest.core.stretch import Stretch, behind
from ml4t.backtest.risk.rule_engine.looking_ahead import Looked
from ml4t.backtest.risk.rule_engine.merge import Blank, Merged, Offers
from ml4t.backtest.risk.rule_engine.rule_state import RuleState
from ml4t.backtest.risk.rule_engine.rule_tree import RuleView, Whole, ask, grow
from ml4t.backtest.risk.rules.rule import RiskRule


class HeldPositions(Protocol):
    """What the desk reads of the portfolio; vectors are by `sid`."""

    @property
    def held(self) -> Ints: ...  # noqa: D102 - named as in Portfolio
    @property
    def quantity(self) -> Floats: ...  # noqa: D102
    @property
    def peak_quantity(self) -> Floats: ...  # noqa: D102
    @property
    def mark(self) -> Floats: ...  # noqa: D102
    @property
    def water_mark(self) -> Floats: ...  # noqa: D102

    def base_price(self, sids: Ints) -> Floats:
        """Return the price from which levels count."""
        ...

    def level_shift(self, sids: Ints) -> Floats | None:
        """Return by how much dividends have lowered levels of held assets; None: by nothing."""
        ...


class RuleEvaluator:
    """The rules of one run, what they said before, and how they are merged.

    Parameters
    ----------
    rules : sequence of RiskRule
    portfolio : HeldPositions
    policy : LevelPolicy
    whole : callable or None
        ``whole(sids, quantity)`` cuts quantities toward zero to whole lots; None: there are none.

    Attributes
    ----------
    roots : tuple of RuleNode
        One per rule, in their order.
    memory : RuleState
    """

    def __init__(
        self,
        rules: Sequence[RiskRule],
        portfolio: HeldPositions,
        policy: LevelPolicy,
        whole: Whole | None,
    ) -> None:
        n_assets = len(portfolio.quantity)
        self.roots = grow(rules)
        self.memory = RuleState(self.roots, n_assets)
        # Higher priority first; a stable sort keeps the named order among equals.
        order = sorted(range(len(rules)), key=lambda i: -rules[i].priority)
        self._every = self._asked = [(i, self.roots[i], rules[i].priority) for i in order]
        # The last entry is that of rule -1: nobody.
        self._priority = np.array([*(rule.priority for rule in rules), -np.inf])
        self._has_ranks = len({rule.priority for rule in rules}) > 1
        self._portfolio, self._policy, self._whole = portfolio, policy, whole
        self._splits_trails = policy.in_rule_order or policy.trail_replaces_stop
        self._blank = Blank(n_assets)

    def follow(self, places: Collection[int]) -> None:
        """Ask from now on the rules at some places alone."""
        self._asked = [one for one in self._every if one[0] in places]

    def ask(
        self, sids: Ints, close: Floats, bars_held: Ints, *, is_entry: bool, has_trails: bool
    ) -> Merged:
        """Ask every rule about some positions and remember what each said.

        On an entry bar only rules with levels are asked, trailing ones where `has_trails`.
        """
        view = self._view(
            sids, close, bars_held, self._portfolio.water_mark[sids], self.memory.look(sids)
        )
        view.is_entry, view.has_trails = is_entry, has_trails
        merged = self._merge(view)
        self.memory.keep(view)
        return merged

    def ask_over(self, stretch: Stretch, first_t: Ints, new: Ints) -> Looked:
        """Ask every rule about what is held at each bar of a stretch; nothing is remembered.

        Parameters
        ----------
        first_t : int array
            First bar that each position sees.
        new : int array
            Positions that were opened at the open of the first bar, and have no levels yet.
        """
        held, asked, n_before = stretch.held, ~stretch.stale, int(len(new) > 0)
        close, water_mark = stretch.close, stretch.water_mark
        features = {name: stretch.feature(name) for name in self.memory.read}
        if n_before:
            is_new = np.zeros(len(held), dtype=bool)
            is_new[np.searchsorted(held, new)] = True
            asked = np.concatenate((is_new[np.newaxis], asked))
            close = behind(self._portfolio.mark[held], close)
            water_mark = behind(self._portfolio.water_mark[held], water_mark)
            known = self.memory.known(held)
            features = {name: behind(known[name], each) for name, each in features.items()}
        ts = np.arange(stretch.first_t - n_before, stretch.first_t + stretch.n_bars)
        bars_held = ts[:, np.newaxis] - first_t + 1
        view = self._view(held, close, bars_held, water_mark, features)
        view.asked = asked
        return Looked(view, self._merge(view), asked, n_before)

    def _view(
        self, sids: Ints, close: Floats, bars_held: Ints, water_mark: Floats,
        features: Mapping[str, Floats],
    ) -> RuleView:  # fmt: skip
        portfolio, memory, n = self._portfolio, self.memory, len(sids)
        dividends = portfolio.level_shift(sids)
        return RuleView(
            sids=sids,
            side=np.sign(portfolio.quantity[sids]),
            entry_price=portfolio.base_price(sids),
            water_mark=water_mark,
            close=close,
            bars_held=bars_held,
            features=features,
            splits=memory.splits[sids] if memory.has_splits else self._blank.one(n),
            dividends=self._blank.nothing(n) if dividends is None else dividends,
            peak=portfolio.peak_quantity[sids],
            whole=self._whole,
            last_stop=[row[sids] for row in memory.last_stop],
            offered=[row[sids] for row in memory.offered],
            steps_done=[row[sids] for row in memory.steps_done],
            missing=self._blank.missing(n),
            none_done=self._blank.zero(n),
        )

    def _merge(self, view: RuleView) -> Merged:
        stops, targets, trails = Offers(), Offers(), Offers()
        leaving: Ints | None = None
        for i, root, priority in self._asked:
            answer = ask(root, view)
            if answer.stop is not None:
                is_apart = self._splits_trails and root.is_trailing
                (trails if is_apart else stops).add(i, priority, answer.stop)
            if answer.target is not None:
                targets.add(i, priority, answer.target, answer.part)
            if answer.exits is not None and not view.is_entry and answer.exits.any():
                if leaving is None:
                    leaving = self._blank.nobody(len(view.side))
                leaving = np.where(answer.exits & (leaving < 0), i, leaving)
        stop = stops.settle(view.side, self._blank)
        trail = trails.settle(view.side, self._blank) if self._splits_trails else None
        if trail is not None and self._policy.trail_replaces_stop:
            if self._policy.in_rule_order:
                stop = stop.unless(trail)
            else:
                stop, trail = stop.instead(trail), None
        merged = Merged(stop, targets.settle(-view.side, self._blank), trail, leaving)
        return self._held_back(merged) if leaving is not None and self._has_ranks else merged

    def _held_back(self, merged: Merged) -> Merged:
        """Drop the exits that a level holds back: one of a higher priority, not of an equal one."""
        assert merged.exits is not None
        by = np.maximum(self._priority[merged.stops.rule], self._priority[merged.targets.rule])
        if merged.trails is not None:
            by = np.maximum(by, self._priority[merged.trails.rule])
        stands = self._priority[merged.exits] >= by
        return merged._replace(exits=np.where(stands, merged.exits, -1))
