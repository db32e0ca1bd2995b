"""Stretch: bars that follow one another, at all of which the same is held."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints
from ml4t.backtest.core.journal import AccountAtClose, value_of

# A bar that no run has.
NEVER = sys.maxsize


class Stretch(NamedTuple):
    """What is held, as arrays ``[bars, held]``: row by row what the walk by bars would see.

    Attributes
    ----------
    chunk : Chunk
    row : int
        Place of the first bar in it.
    held : int array
        Assets with a position, ascending.
    quantity, cost, multiplier : float array
        Of each, as in `AccountAtClose`.
    close, high, low : float array
        NaN where the asset has no bar; `high` and `low` are None when nobody reads them.
    mark : float array
        Last known close after each bar.
    stale : bool array
        The mark is an older close.
    water_mark : float array
        Best price since entry, after each bar.
    """

    chunk: Chunk
    row: int
    held: Ints
    quantity: Floats
    cost: Floats
    multiplier: Floats | None
    close: Floats
    high: Floats | None
    low: Floats | None
    mark: Floats
    stale: Bools
    water_mark: Floats

    @property
    def value(self) -> Floats:
        """What each position is worth after each bar, account currency."""
        return value_of(self.quantity, self.mark, self.multiplier)

    @property
    def n_bars(self) -> int:
        """How many bars there are."""
        return len(self.close)

    @property
    def first_t(self) -> int:
        """Number of the first bar."""
        return self.chunk.first_t + self.row

    def batch(self, row: int) -> Batch:
        """Return one of the bars."""
        return self.chunk.batch(self.row + row)

    def batch_of(
        self, rows: Ints, sids: Ints, features: Sequence[str], *, has_range: bool
    ) -> Batch:
        """Return some assets, each at a bar of its own, see `Chunk.batch_of`."""
        return self.chunk.batch_of(self.row + rows, sids, features, has_range=has_range)

    def feature(self, name: str) -> Floats:
        """Return a feature of what is held."""
        return self.chunk.held(self.chunk.features[name], self.row, self.n_bars, self.held)

    def closes(self, first: int, stop: int, ends: Ints, cash: float) -> AccountAtClose:
        """Return the account from one row up to another.

        Parameters
        ----------
        ends : int array
            Row of the bar inside which each position is closed.
        """
        mark, stale, is_held = self.mark[first:stop], self.stale[first:stop], ends >= stop
        held, quantity, cost, multiplier = self.held, self.quantity, self.cost, self.multiplier
        (at,) = is_held.nonzero()
        if len(at) < len(held):
            held, quantity, cost = held[at], quantity[at], cost[at]
            multiplier = None if multiplier is None else multiplier[at]
            # Row after row in memory, so that rows add up as they do when nothing is left out.
            mark, stale = mark.take(at, axis=1), stale.take(at, axis=1)
        return AccountAtClose(
            t=self.first_t + first, n_bars=stop - first, cash=cash, held=held, quantity=quantity,
            cost=cost, mark=mark, stale=stale, multiplier=multiplier,
        )  # fmt: skip

    def closes_in_turn(self, n_bars: int, ends: Ints, cash: Floats) -> AccountAtClose:
        """Return the account at the first closes, between which positions are closed.

        Parameters
        ----------
        ends : int array
            Row of the bar inside which each position is closed.
        cash : float array
            At each close.
        """
        return AccountAtClose(
            t=self.first_t, n_bars=n_bars, cash=cash, held=self.held, quantity=self.quantity,
            cost=self.cost, mark=self.mark[:n_bars], stale=self.stale[:n_bars],
            multiplier=self.multiplier, ends=ends,
        )  # fmt: skip


def carried(before: Floats, values: Floats, is_known: Bools) -> Floats:
    """Return the last known value after each bar, that of `before` until there is one."""
    each = np.broadcast_to(values, is_known.shape) if values.ndim == 1 else values
    n_missing = is_known.size - np.count_nonzero(is_known)
    if not n_missing:
        return each
    first = is_known[0]
    if n_missing == len(first) - np.count_nonzero(first):  # all of them at the first bar
        each = each.copy()
        each[0] = np.where(first, each[0], before)
        return each
    bars = np.arange(len(is_known))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(is_known, bars, -1))
    found = np.take_along_axis(each, np.maximum(last, 0), axis=0)
    return np.where(last < 0, before, found)


class LastRows(NamedTuple):
    """The rows of a stretch at which positions were last asked something.

    Attributes
    ----------
    places : int array
        Of the positions that were asked at any.
    rows : int array
        That of each of them.
    """

    places: Ints
    rows: Ints

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what is said of each position at its row.

        `values` are ``[bars, positions]``, or a vector of what is the same at every bar.
        """
        found: NDArray[Any]
        found = values[self.places] if values.ndim == 1 else values[self.rows, self.places]
        return found


def last_rows(asked: Bools) -> LastRows:
    """Return where positions were last asked; `asked` is ``[bars, positions]``."""
    of_each = _by_position(asked[::-1])
    (places,) = np.logical_or.reduce(of_each, axis=1).nonzero()
    return LastRows(places, len(asked) - 1 - of_each.argmax(axis=1)[places])


def _by_position(cells: Bools) -> Bools:
    """Return cells ``[positions, bars]``: what is found in a row of memory is found at once."""
    return np.ascontiguousarray(cells.T)


def behind(before: Floats, values: Floats) -> Floats:
    """Return rows with one in front: what was before the first bar."""
    return np.concatenate((before[np.newaxis], values))


def at_any(cells: Bools) -> Bools:
    """Return at which bars something is true of any position."""
    return np.asarray(cells.any(axis=1))


def quiet_before(stirs: Bools) -> int:
    """Return how many bars pass before the first that stirs; one entry per bar."""
    return int(stirs.argmax()) if stirs.any() else len(stirs)


def first_rows(cells: Bools | None, held: Ints, n_bars: int) -> Ints:
    """Return the first row at which something is true of each position, `n_bars`: at none."""
    if cells is None or not np.count_nonzero(cells):
        return np.full(len(held), n_bars)
    of_each = _by_position(cells)
    return np.where(of_each.any(axis=1), of_each.argmax(axis=1), n_bars)


def before(ends: Ints, n_bars: int, first: int = 0) -> Bools:
    """Return ``[bars, held]``: whether each position is still held at the close of a bar."""
    still: Bools = np.arange(first, n_bars)[:, np.newaxis] < ends
    return still


def starts_of(*keys: Ints) -> list[int]:
    """Return the places at which any of some keys is another than before it."""
    is_new = np.zeros(len(keys[0]), dtype=bool)
    is_new[:1] = True
    for key in keys:
        is_new[1:] |= key[1:] != key[:-1]
    starts: list[int] = is_new.nonzero()[0].tolist()
    return starts


def total(values: Floats) -> Floats:
    """Return the sum over what is held, of one bar or of each of several.

    Every sum over positions that decides something is this one: pairwise along the last axis, so
    that a row of a stretch adds up to the last bit as its bar does.
    """
    added: Floats = values.sum(axis=-1)
    return added
