"""Purging: what of a train part shares time with the test parts, and the embargo around them.

A label of bar t reaches to a later bar: that of its end, where it is said, and ``t + purge``.

1. Purge (Lopez de Prado, Advances in Financial Machine Learning, 2018, 7.4.1, snippet 7.1): the
   labels of a test part from its first bar T0 on reach to J. What is trained on before it must
   have a label that ends before T0, what is trained on after it must begin after J.
2. Embargo (7.4.2, snippet 7.2): after J as many bars, or as much time, are left out as well, since
   features that are correlated in time carry the test part on. Before a test part there is nothing
   of it to carry; in a walk, where no train part follows its test part, the same length is kept
   free between the last label and T0 instead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Ints
from ml4t.backtest.sweep.folds import Division


class Observed(NamedTuple):
    """What is trained and tested on: the rows of a panel, or one observation per bar.

    Attributes
    ----------
    t : int array
        The bar of each.
    reach : int array
        The last bar that its label reaches.
    """

    t: Ints
    reach: Ints

    def within(self, ranges: tuple[tuple[int, int], ...]) -> Bools:
        """Say which are in some ranges of bars."""
        found = np.zeros(len(self.t), dtype=bool)
        for first, stop in ranges:
            found |= (self.t >= first) & (self.t < stop)
        return found


def train_of(division: Division, seen: Observed, embargo: Ints, *, is_walk: bool) -> Bools:
    """Say which observations may be trained on.

    Parameters
    ----------
    embargo : int array
        For each bar the last bar of an embargo that begins behind it.
    is_walk : bool
        The embargo is before the test part, else after each.
    """
    kept = seen.within((division.train,)) & ~seen.within(division.tests)
    reach = embargo[seen.reach] if is_walk else seen.reach
    for first, stop in division.tests:
        last = int(seen.reach[seen.within(((first, stop),))].max())
        behind = last if is_walk else int(embargo[last])
        kept &= np.where(seen.t < first, reach < first, seen.t > behind)
    return kept
