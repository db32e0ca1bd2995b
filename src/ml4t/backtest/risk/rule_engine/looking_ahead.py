"""LookingAhead: what the rules of one run say over a stretch of bars, and what comes of it."""

from __future__ import annotations

from typing import NamedTuple

from ml4t.backtest.core.batch import Bools, Ints
from ml4t.backtest.core.levels import Levels
from ml4t.backtest.core.stretch import Stretch, before
from ml4t.backtest.risk.rule_engine.merge import Merged, touches
from ml4t.backtest.risk.rule_engine.rule_tree import RuleView


class Looked(NamedTuple):
    """What the rules say at each bar of a stretch.

    Attributes
    ----------
    view : RuleView
    merged : Merged
    asked : bool array
        ``[bars, held]``: the asset has a bar, so that rules are asked about it.
    n_before : int
        Rows in front of the first bar: 1 where positions were opened at its open whose first levels
        come from what was known before it, else 0. Only those are asked there.
    """

    view: RuleView
    merged: Merged
    asked: Bools
    n_before: int

    @property
    def leaves(self) -> Bools | None:
        """Whether a rule wants to leave a position, at each close; None: none ever does."""
        exits = self.merged.exits
        return None if exits is None else ((exits >= 0) & self.asked)[self.n_before :]

    def touched(self, stretch: Stretch) -> Bools:
        """Return whether a bar touches a level of its own close, at each bar."""
        low = stretch.close if stretch.low is None else stretch.low
        high = stretch.close if stretch.high is None else stretch.high
        rule = touches(self.merged, self.view.side, low, high).rule
        return (rule >= 0) & self.asked

    def levels(self, stretch: Stretch) -> Levels:
        """Return the levels of every bar's close."""
        return levels_of(stretch.first_t - self.n_before, stretch.held, self.merged)

    def asked_before(self, n_bars: int, ends: Ints) -> Bools:
        """Say which positions were asked up to some bar, each before the bar of its end."""
        return self.asked[: n_bars + self.n_before] & before(ends, n_bars, -self.n_before)


def levels_of(t: int | Ints, sids: Ints, merged: Merged) -> Levels:
    """Return the levels that the rules set."""
    trails = merged.trails
    return Levels(
        set_t=t,
        sids=sids,
        stop=merged.stops.level,
        target=merged.targets.level,
        stop_rule=merged.stops.rule,
        target_rule=merged.targets.rule,
        target_part=merged.targets.part,
        trail=None if trails is None else trails.level,
        trail_rule=None if trails is None else trails.rule,
    )
