"""Merge: of what the rules offer for each position, the level that wins.

The same as `RiskDecision.merge`, for all positions at once; and which of the winning levels a bar
touched.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints


class Settled(NamedTuple):
    """The winning level of each position.

    Attributes
    ----------
    level : float array
        NaN where there is none.
    rule : int array
        Index of the rule that gave it, -1 where there is none.
    part : float array or None
        Share of the peak quantity that the level closes; None: all of all.
    """

    level: Floats
    rule: Ints
    part: Floats | None

    def unless(self, other: Settled) -> Settled:
        """Return these levels where `other` has none, and none where it has."""
        is_taken = other.rule >= 0
        return Settled(
            np.where(is_taken, np.nan, self.level), np.where(is_taken, -1, self.rule), self.part
        )

    def instead(self, other: Settled) -> Settled:
        """Return the levels of `other` where it has any, else these."""
        return self._with(other, other.rule >= 0)

    def tightened(self, other: Settled, tighter: Floats) -> Settled:
        """Return the tighter of two levels of one priority, of equal ones these."""
        is_tighter = (other.level * tighter > self.level * tighter) | np.isnan(self.level)
        return self._with(other, is_tighter)

    def _with(self, other: Settled, is_taken: Bools) -> Settled:
        part = None
        if self.part is not None or other.part is not None:
            part = np.where(
                is_taken,
                1.0 if other.part is None else other.part,
                1.0 if self.part is None else self.part,
            )
        return Settled(
            np.where(is_taken, other.level, self.level),
            np.where(is_taken, other.rule, self.rule),
            part,
        )


class Merged(NamedTuple):
    """What the rules together want of some positions.

    Attributes
    ----------
    stops, targets : Settled
    trails : Settled or None
        Trailing stops where they are kept apart from `stops`.
    exits : int array or None
        Index of the rule whose exit stands, -1 where none; None: none at all.
    """

    stops: Settled
    targets: Settled
    trails: Settled | None
    exits: Ints | None


class Touches(NamedTuple):
    """Which levels a bar touched, one entry per position.

    Attributes
    ----------
    is_stop, is_target : bool array
        At most one of the two.
    rule : int array
        Index of the rule that gave the level, -1 where none was touched.
    level : float array
        Meant where a level was touched.
    """

    is_stop: Bools
    is_target: Bools
    rule: Ints
    level: Floats


def touches(merged: Merged, side: Floats, low: Floats, high: Floats) -> Touches:
    """Compare the levels of each position with a bar's range, NaN where it did not trade.

    Of several the stop, the worse one; where trails are apart: stops, then targets, then trails.
    """
    worst, best = np.where(side > 0, low, -high), np.where(side > 0, high, -low)
    # NaN compares false: no bar or no level, no touch.
    is_stop = worst <= side * merged.stops.level
    is_target = ~is_stop & (best >= side * merged.targets.level)
    rule = np.where(is_stop, merged.stops.rule, np.where(is_target, merged.targets.rule, -1))
    level = np.where(is_stop, merged.stops.level, merged.targets.level)
    if merged.trails is not None:
        is_trail = ~is_stop & ~is_target & (worst <= side * merged.trails.level)
        rule = np.where(is_trail, merged.trails.rule, rule)
        level = np.where(is_trail, merged.trails.level, level)
        is_stop = is_stop | is_trail
    return Touches(is_stop, is_target, rule, level)


class Blank:
    """Vectors of any length that say nothing, as views: most bars only read them."""

    def __init__(self, n_assets: int) -> None:
        self._missing = np.full(n_assets, np.nan)
        self._nobody = np.full(n_assets, -1, dtype=np.int64)
        self._zero = np.zeros(n_assets, dtype=np.int64)
        self._one = np.ones(n_assets)
        self._nothing = np.zeros(n_assets)
        for vector in (self._missing, self._nobody, self._zero, self._one, self._nothing):
            vector.flags.writeable = False

    def missing(self, n: int) -> Floats:
        """Return `n` times NaN: no level."""
        return self._missing[:n]

    def nobody(self, n: int) -> Ints:
        """Return `n` times -1: no rule."""
        return self._nobody[:n]

    def zero(self, n: int) -> Ints:
        """Return `n` times 0."""
        return self._zero[:n]

    def one(self, n: int) -> Floats:
        """Return `n` times 1: no split."""
        return self._one[:n]

    def nothing(self, n: int) -> Floats:
        """Return `n` times 0.0: no dividend."""
        return self._nothing[:n]


class Offers:
    """Levels of one kind, offered by the rules in falling priority."""

    def __init__(self) -> None:
        self._offers: list[tuple[int, Settled]] = []

    def add(self, rule: int, priority: int, level: Floats, part: Floats | None = None) -> None:
        """Take what one rule offers, NaN for none."""
        rules = np.where(np.isnan(level), -1, rule)
        self._offers.append((priority, Settled(level, rules, part)))

    def settle(self, tighter: Floats, blank: Blank) -> Settled:
        """Return the levels that win.

        Parameters
        ----------
        tighter : float array
            +1 where the higher of two levels is the tighter one, -1 where the lower is.
        blank : Blank
        """
        if not self._offers:
            n = len(tighter)
            return Settled(blank.missing(n), blank.nobody(n), None)
        if len(self._offers) == 1:
            return self._offers[0][1]
        best: Settled | None = None
        for _, equals in groupby(self._offers, key=lambda offer: offer[0]):
            tightest: Settled | None = None
            for _, one in equals:
                tightest = one if tightest is None else tightest.tightened(one, tighter)
            assert tightest is not None
            # Of a lower priority where none of a higher one offers.
            best = tightest if best is None else tightest.instead(best)
        assert best is not None
        return best
