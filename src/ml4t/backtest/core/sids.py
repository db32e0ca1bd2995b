"""Sids: sets of assets as ascending arrays.

NumPy's own functions for sets load its masked arrays, for longer than a small run takes to decide,
and take longer for the few assets that an account holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml4t.backtest.core.batch import Ints

NO_SIDS: Ints = np.empty(0, dtype=np.int64)


def union(held: Ints, wanted: Ints) -> Ints:
    """Return the assets of both, ascending."""
    sids = np.concatenate((held, wanted))
    sids.sort()
    is_first = np.ones(len(sids), dtype=bool)
    np.not_equal(sids[1:], sids[:-1], out=is_first[1:])
    return sids[is_first]


def without(sids: Ints, others: Ints | Sequence[int]) -> Ints:
    """Return assets but those of some others, in their order."""
    return sids[~np.isin(sids, others)] if len(others) else sids
