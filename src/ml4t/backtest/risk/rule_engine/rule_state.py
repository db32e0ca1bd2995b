"""RuleState: what the rules of one run said of each asset before, and what they saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.stretch import LastRows
from ml4t.backtest.risk.rule_engine.rule_tree import RuleNode, RuleView


class RuleState:
    """State by `sid`, of every rule of the trees.

    Parameters
    ----------
    roots : sequence of RuleNode
    n_assets : int

    Attributes
    ----------
    last_stop : list of float array
        Per rule with stops, by `sid`: the stop that it gave last, NaN where none.
    offered : list of float array
        Per rule with steps, by `sid`: the target that it gave last.
    steps_done : list of int array
        Per rule with steps, by `sid`: how many were closed since the position was opened.
    splits : float array
        By `sid`: what splits have made of one share since the position was opened.
    has_splits : bool
        Whether there was any split yet.
    read : tuple of str
        Features and conditions that the rules read.
    """

    def __init__(self, roots: Sequence[RuleNode], n_assets: int) -> None:
        nodes = [node for root in roots for node in root.walk()]
        n_stops = sum(node.stop_row >= 0 for node in nodes)
        n_steps = sum(node.step_row >= 0 for node in nodes)
        # One vector each: a row of a table is slower to read at a few places.
        self.last_stop = [np.full(n_assets, np.nan) for _ in range(n_stops)]
        self.offered = [np.full(n_assets, np.nan) for _ in range(n_steps)]
        self.steps_done = [np.zeros(n_assets, dtype=np.int64) for _ in range(n_steps)]
        self.splits, self.has_splits = np.ones(n_assets), False
        rules = [node.rule for node in nodes]
        self._features = tuple(dict.fromkeys(name for rule in rules for name in rule.features))
        conditions = (name for rule in rules for name in rule.conditions)
        self.read = tuple(dict.fromkeys((*self._features, *conditions)))
        self._in_price = tuple(
            dict.fromkeys(name for rule in rules for name in rule.price_features)
        )
        self._seen = {name: np.full(n_assets, np.nan) for name in self._features}
        self._known: Mapping[str, Floats] = {}
        self._copied: dict[str, Floats] = {}

    def know(self, features: Mapping[str, Floats]) -> None:
        """Take what is known at a close; the arrays stay the feed's own."""
        self._known, self._copied = features, {}

    def look(self, sids: Ints) -> dict[str, Floats]:
        """Return what is known of some assets, and note it as seen."""
        looked = self.known(sids)
        if self._known:
            for name, values in self._seen.items():
                values[sids] = looked[name]
        return looked

    def known(self, sids: Ints) -> dict[str, Floats]:
        """Return what is known of some assets, NaN before the first close."""
        if not self._known:
            return {name: np.full(len(sids), np.nan) for name in self.read}
        return {name: self._of(name)[sids] for name in self.read}

    def seen(self, sids: Ints) -> dict[str, list[float]]:
        """Return what the rules saw of some assets when last asked, NaN where it was missing."""
        return {name: values[sids].tolist() for name, values in self._seen.items()}

    def keep(self, view: RuleView) -> None:
        """Keep what the rules said of the positions that they were shown."""
        sids = view.sids
        for row, stop in zip(self.last_stop, view.last_stop, strict=True):
            row[sids] = stop
        for row, target in zip(self.offered, view.offered, strict=True):
            row[sids] = target
        for count, done in zip(self.steps_done, view.steps_done, strict=True):
            count[sids] = done

    def keep_over(self, view: RuleView, last: LastRows) -> None:
        """Keep what the rules said and saw of each position at the bar at which it was asked last.

        Parameters
        ----------
        last : LastRows
            Of the view.
        """
        sids = view.sids[last.places]
        for kept, said in (
            (self.last_stop, view.last_stop),
            (self.offered, view.offered),
            (self.steps_done, view.steps_done),
        ):
            for row, values in zip(kept, said, strict=True):
                row[sids] = last.of(values)
        for name, seen in self._seen.items():
            seen[sids] = last.of(view.features[name])

    def forget(self, sids: Ints) -> None:
        """Start anew for positions that are gone, opened from flat or turned over."""
        for row, blank in self._rows():
            row[sids] = blank

    def split(self, sid: int, ratio: float) -> None:
        """Divide all that is in units of price by the ratio of a split."""
        self.splits[sid] *= ratio
        self.has_splits = True
        for row in (*self.last_stop, *self.offered):
            row[sid] /= ratio
        for name in self._in_price:
            if name in self._seen:
                self._seen[name][sid] /= ratio
            if name in self._known:
                self._own(name)[sid] /= ratio

    def go_ex(self, sid: int, value: float) -> None:
        """Take a dividend off all that is a level."""
        for row in (*self.last_stop, *self.offered):
            row[sid] -= value

    def rename(self, old: int, new: int) -> None:
        """Move what was said and seen of one asset to another; what is known stays its own."""
        for row, blank in self._rows():
            row[new], row[old] = row[old], blank
        for values in self._seen.values():
            values[new] = values[old]

    def _rows(self) -> Iterator[tuple[Floats | Ints, float]]:
        """Yield every vector with what says nothing in it."""
        for row in (*self.last_stop, *self.offered):
            yield row, np.nan
        for count in self.steps_done:
            yield count, 0
        if self.has_splits:
            yield self.splits, 1

    def _of(self, name: str) -> Floats:
        return self._copied[name] if name in self._copied else self._known[name]

    def _own(self, name: str) -> Floats:
        """Return a copy in which this desk may write; the feed's arrays are shared."""
        if name not in self._copied:
            self._copied[name] = self._known[name].copy()
        return self._copied[name]
