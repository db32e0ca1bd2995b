"""Stretch: bars that follow one another, at all of which the same is held."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints

# A bar that no run has.
NEVER = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is held, as arrays ``[bars, held]``: row by row what the walk by bars would see.

    Attributes
    ----------
    chunk : Chunk
    row : int
        Place of the first bar in it.
    held : int array
        Assets with a position, ascending.
    close, high, low : float array
        NaN where the asset has no bar; `high` and `low` are None when nobody reads them.
    mark : float array
        Last known close after each bar.
    stale : bool array
        The mark is an older close.
    water_mark : float array
        Best price since entry, after each bar.
    value : float array
        Account currency, at the marks.
    """

    chunk: Chunk
    row: int
    held: Ints
    close: Floats
    high: Floats | None
    low: Floats | None
    mark: Floats
    stale: Bools
    water_mark: Floats
    value: Floats

    @property
    def n_bars(self) -> int:
        """How many bars there are."""
        return len(self.close)

    @property
    def first_t(self) -> int:
        """Number of the first bar."""
        return self.chunk.first_t + self.row

    @property
    def last(self) -> Batch:
        """The last bar."""
        return self.chunk.batch(self.row + self.n_bars - 1)

    def feature(self, name: str) -> Floats:
        """Return a feature of what is held."""
        return self.chunk.held(self.chunk.features[name], self.row, self.n_bars, self.held)

    def first(self, n_bars: int) -> Stretch:
        """Return the first bars alone."""
        if n_bars == self.n_bars:
            return self
        return replace(
            self,
            close=self.close[:n_bars],
            high=None if self.high is None else self.high[:n_bars],
            low=None if self.low is None else self.low[:n_bars],
            mark=self.mark[:n_bars],
            stale=self.stale[:n_bars],
            water_mark=self.water_mark[:n_bars],
            value=self.value[:n_bars],
        )


def carried(before: Floats, values: Floats, is_known: Bools) -> Floats:
    """Return the last known value after each bar, that of `before` until there is one."""
    if is_known.all():
        return np.broadcast_to(values, is_known.shape) if values.ndim == 1 else values
    bars = np.arange(len(is_known))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(is_known, bars, -1))
    each = np.broadcast_to(values, is_known.shape)
    found = np.take_along_axis(each, np.maximum(last, 0), axis=0)
    return np.where(last < 0, before, found)


def at_rows(values: NDArray[Any], last: Ints) -> NDArray[Any]:
    """Return what is said of each position at a row of its own, without those of row -1.

    A vector says the same at every row.
    """
    (at,) = (last >= 0).nonzero()
    found: NDArray[Any] = values[at] if values.ndim == 1 else values[last[at], at]
    return found


def behind(before: Floats, values: Floats) -> Floats:
    """Return rows with one in front: what was before the first bar."""
    return np.concatenate((before[np.newaxis], values))


def at_any(cells: Bools) -> Bools:
    """Return at which bars something is true of any position."""
    return np.asarray(cells.any(axis=1))


def quiet_before(stirs: Bools) -> int:
    """Return how many bars pass before the first that stirs; one entry per bar."""
    return int(stirs.argmax()) if stirs.any() else len(stirs)


def total(values: Floats) -> Floats:
    """Return the sum over what is held, of one bar or of each of several.

    Every sum over positions that decides something is this one: pairwise along the last axis, so
    that a row of a stretch adds up to the last bit as its bar does.
    """
    added: Floats = values.sum(axis=-1)
    return added
