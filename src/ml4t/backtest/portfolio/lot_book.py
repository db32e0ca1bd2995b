"""LotBook: the open lots of every asset in arrays, those of one asset in a chain, oldest first.

A lot has a place of its own, which a later one takes when it is gone: what the book holds grows
with the lots that are open at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.portfolio.lots import (
    BORROWED,
    EARNED,
    N_NUMBERS,
    PRICE,
    QUANTITY,
    Lot,
    Lots,
    OpenLots,
)

# The place that no lot has: where a chain ends.
NONE = 0
FIRST_PLACES = 64


class Touched(NamedTuple):
    """Lots that fills close, whole or in part: fill by fill, each from the oldest on.

    Attributes
    ----------
    places : int array
        Of the lots.
    part : float array
        Shares that are closed of each, signed like it.
    by : int array or None
        Place of the fill that closes each; None: each fill closes one.
    """

    places: Ints
    part: Floats
    by: Ints | None


class LotBook:
    """Open lots by `sid`; costs are per share, as in `Lot`."""

    def __init__(self, n_assets: int) -> None:
        self._oldest = np.full(n_assets, NONE)
        self._newest = np.full(n_assets, NONE)
        self._numbers = np.zeros((N_NUMBERS, FIRST_PLACES))
        self._t = np.zeros(FIRST_PLACES, dtype=np.int64)
        self._fill = np.zeros(FIRST_PLACES, dtype=np.int64)
        self._next = np.full(FIRST_PLACES, NONE)
        # Where there is no lot there is not a single one: what follows no lot is never read.
        self._next[NONE] = -1
        self._free = np.arange(FIRST_PLACES - 1, NONE, -1)
        self._n_free = FIRST_PLACES - 1

    # -- many assets at once ----------------------------------------------------------

    def are_single(self, sids: Ints) -> Bools:
        """Say which positions are one lot."""
        is_single: Bools = self._next[self._oldest[sids]] == NONE
        return is_single

    def append(self, lots: Lots) -> None:
        """Open a lot of each asset, behind those that it has."""
        sids, places = lots.sids, self._take(len(lots.sids))
        self._numbers[:, places] = lots.numbers
        self._t[places], self._fill[places] = lots.t, lots.fill
        newest = self._newest[sids]
        self._next[places], self._next[newest] = NONE, places
        self._newest[sids] = places
        is_first = newest == NONE
        if np.count_nonzero(is_first) == len(sids):
            self._oldest[sids] = places
        else:
            self._oldest[sids[is_first]] = places[is_first]

    def touched(self, sids: Ints, left: Floats, is_flat: Bools) -> Touched:
        """Return what closing `left` shares of each asset touches; `is_flat`: all of it is closed.

        A position that ends is closed lot by lot whole, so that rounding in their sum leaves no
        dust behind.
        """
        places = self._oldest[sids]
        size, asked = self._numbers[QUANTITY][places], np.abs(left)
        part = np.where(is_flat, size, left)
        goes_on = self._next[places] != NONE
        if np.count_nonzero(goes_on):
            goes_on &= is_flat | (np.abs(size) <= asked + DUST * asked)
        if not np.count_nonzero(goes_on):
            return Touched(places, part, None)
        chains = {i: self.chain(int(sids[i]), float(left[i]), is_flat=bool(is_flat[i]))
                  for i in np.flatnonzero(goes_on).tolist()}  # fmt: skip
        n = np.ones(len(sids), dtype=np.int64)
        for i, (own, _) in chains.items():
            n[i] = len(own)
        by, start = np.repeat(np.arange(len(sids)), n), np.cumsum(n) - n
        places, part = places[by], part[by]
        for i, (own, shares) in chains.items():
            here = slice(int(start[i]), int(start[i]) + len(own))
            places[here], part[here] = own, shares
        return Touched(places, part, by)

    def read(self, places: Ints) -> OpenLots:
        """Return the lots at some places."""
        return OpenLots(self._numbers[:, places], self._t[places], self._fill[places])

    def take_off(self, sids: Ints, touched: Touched) -> None:
        """Take what was touched off the lots; those that are closed whole are gone."""
        places, by = touched.places, touched.by
        left = self._numbers[QUANTITY][places] - touched.part
        self._numbers[QUANTITY][places] = left
        is_gone = left == 0
        if by is not None:
            # The oldest lot is now the last one that was touched, or the one after it.
            is_last = np.diff(by, append=-1) != 0
            sids, last = sids[by[is_last]], places[is_last]
            follows = np.where(is_gone[is_last], self._next[last], last)
        elif np.count_nonzero(is_gone) == len(places):
            follows = self._next[places]
        else:
            follows = np.where(is_gone, self._next[places], places)
        self._oldest[sids] = follows
        self._newest[sids[follows == NONE]] = NONE
        self._put_back(places[is_gone])

    # -- one asset --------------------------------------------------------------------

    def of(self, sid: int) -> list[Lot]:
        """Return the lots of one asset, oldest first."""
        return [self.lot(place) for place in self._places(sid)]

    def lot(self, place: int) -> Lot:
        """Return the lot at a place."""
        numbers = self._numbers[:, place].tolist()
        return Lot._make((*numbers, self._t.item(place), self._fill.item(place)))

    def append_one(self, sid: int, lot: Lot) -> None:
        """Open a lot behind those of its asset."""
        place = self._take(1).item()
        self._numbers[:, place] = lot[:N_NUMBERS]
        self._t[place], self._fill[place] = lot.t, lot.fill
        newest = self._newest[sid]
        self._next[place], self._next[newest] = NONE, place
        self._newest[sid] = place
        if newest == NONE:
            self._oldest[sid] = place

    def chain(self, sid: int, left: float, *, is_flat: bool) -> tuple[list[int], list[float]]:
        """Return the lots of one asset that `touched` finds, and the shares closed of each."""
        places: list[int] = []
        parts: list[float] = []
        place, dust = self._oldest.item(sid), DUST * abs(left)
        while place != NONE and (is_flat or abs(left) > dust):
            size = self._numbers.item(QUANTITY, place)
            part = size if is_flat or abs(size) <= abs(left) + dust else left
            left -= part
            places.append(place)
            parts.append(part)
            place = self._next.item(place)
        return places, parts

    def take_off_one(self, sid: int, places: list[int], parts: list[float]) -> None:
        """Take parts of the oldest lots of one asset off them, as `take_off` does."""
        for place, part in zip(places, parts, strict=True):
            self._numbers[QUANTITY, place] -= part
        last, n_gone = places[-1], len(places)
        if self._numbers.item(QUANTITY, last):
            follows, n_gone = last, n_gone - 1
        else:
            follows = self._next.item(last)
        self._oldest[sid] = follows
        if follows == NONE:
            self._newest[sid] = NONE
        self._put_back(np.array(places[:n_gone], dtype=np.int64))

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares."""
        places = self._places(sid)
        self._numbers[QUANTITY, places] *= ratio
        self._numbers[PRICE:, places] /= ratio

    def move(self, old: int, new: int, *, cost: float = 0.0, gain: float = 0.0) -> None:
        """Put the lots of one asset among those of another, by age.

        `cost` and `gain` are what is to be added to `borrowed` and `earned`, which count from the
        new asset's own sums.
        """
        moved, own = self._places(old), self._places(new)
        self._numbers[BORROWED, moved] += cost
        self._numbers[EARNED, moved] += gain
        places = sorted([*moved, *own], key=self._t.item)
        self._next[places] = [*places[1:], NONE]
        self._oldest[new], self._newest[new] = places[0], places[-1]
        self._oldest[old] = self._newest[old] = NONE

    # -- inside -----------------------------------------------------------------------

    def _places(self, sid: int) -> list[int]:
        places, place = [], self._oldest.item(sid)
        while place != NONE:
            places.append(place)
            place = self._next.item(place)
        return places

    def _take(self, n: int) -> Ints:
        """Return places for new lots."""
        if n > self._n_free:
            self._grow(n)
        self._n_free -= n
        places: Ints = self._free[self._n_free : self._n_free + n].copy()
        return places

    def _put_back(self, places: Ints) -> None:
        """Let new lots have the places of those that are gone."""
        self._free[self._n_free : self._n_free + len(places)] = places
        self._n_free += len(places)

    def _grow(self, n: int) -> None:
        """Double the places, at least by those that are asked for."""
        size = len(self._t)
        more = max(size, n)
        self._numbers = np.pad(self._numbers, ((0, 0), (0, more)))
        self._t, self._fill = np.pad(self._t, (0, more)), np.pad(self._fill, (0, more))
        self._next = np.pad(self._next, (0, more))
        free = self._free[: self._n_free]
        self._free = np.pad(np.append(free, np.arange(size, size + more)), (0, size - len(free)))
        self._n_free += more
