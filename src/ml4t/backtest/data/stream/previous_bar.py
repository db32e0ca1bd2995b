"""PreviousBar: each asset's values at its bar before, chunk after chunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.values import PREVIOUS


class PreviousBar:
    """Values one bar earlier, counted in the asset's own bars; takes chunks in time order.

    Parameters
    ----------
    names : iterable of str
        Columns whose earlier values are wanted, with the prefix that says so.
    n_assets : int
    """

    def __init__(self, names: Iterable[str], n_assets: int) -> None:
        wanted = (name.removeprefix(PREVIOUS) for name in names if name.startswith(PREVIOUS))
        self._newest = {name: np.full(n_assets, np.nan) for name in sorted(set(wanted))}

    @property
    def names(self) -> frozenset[str]:
        """The columns that must be read for it."""
        return frozenset(self._newest)

    def of(self, columns: Mapping[str, Floats], has_bar: Bools) -> dict[str, Floats]:
        """Return the earlier values of a chunk, NaN where there is none or it was missing."""
        if not self._newest:
            return {}
        n_bars, n_assets = has_bar.shape
        rows = np.where(has_bar, np.arange(n_bars)[:, None], -1)
        newest = np.maximum.accumulate(rows, axis=0)
        before = np.vstack([np.full((1, n_assets), -1), newest[:-1]])
        found = {}
        for name, carried in self._newest.items():
            values = columns[name]
            inside = np.take_along_axis(values, np.maximum(before, 0), axis=0)
            found[PREVIOUS + name] = np.where(before >= 0, inside, carried)
            last = values[np.maximum(newest[-1], 0), np.arange(n_assets)]
            self._newest[name] = np.where(newest[-1] >= 0, last, carried)
        return found
