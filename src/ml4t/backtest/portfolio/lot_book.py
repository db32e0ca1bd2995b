"""LotBook: the open lots of every asset in arrays, those of one asset in a chain, oldest first.

A lot has a place of its own, which a later one takes when it is gone: what the book holds grows
with the lots that are open at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.portfolio.lots import (
    EARNED,
    FEW,
    FX_RATE,
    INCOME,
    N_NUMBERS,
    PER_SHARE,
    PRICE,
    QUANTITY,
    REVALUED,
    SUMS,
    Lot,
    Lots,
    OpenLots,
)

# The place that no lot has: where a chain ends.
NO_PLACE = 0
FIRST_PLACES = 64


class LotParts(NamedTuple):
    """Lots that fills close, whole or in part: fill by fill, each from the oldest on.

    Attributes
    ----------
    places : int array
        Of the lots.
    part : float array
        Shares that are closed of each, signed like it.
    by : int array or None
        Place of the fill that closes each; None: each fill closes one, in their order.
    is_all, is_one_each : bool
        Every position is closed to its last lot; each fill closes one.
    """

    places: Ints
    part: Floats
    by: Ints | None
    is_all: bool
    is_one_each: bool


class LotBook:
    """Open lots by `sid`; costs are per share, as in `Lot`."""

    def __init__(self, n_assets: int) -> None:
        self._oldest = np.full(n_assets, NO_PLACE)
        self._newest = np.full(n_assets, NO_PLACE)
        self._numbers = np.zeros((N_NUMBERS, FIRST_PLACES))
        self._t = np.zeros(FIRST_PLACES, dtype=np.int64)
        self._fill = np.zeros(FIRST_PLACES, dtype=np.int64)
        self._next = np.full(FIRST_PLACES, NO_PLACE)
        # Where there is no lot there is not a single one: what follows no lot is never read.
        self._next[NO_PLACE] = -1
        self._free = np.arange(FIRST_PLACES - 1, NO_PLACE, -1)
        self._n_free = FIRST_PLACES - 1

    # -- many assets at once ----------------------------------------------------------

    def open(self, lots: Lots) -> None:
        """Open a lot of each asset; none of them has any."""
        self._oldest[lots.sids] = self._newest[lots.sids] = self._placed(lots)

    def append(self, lots: Lots) -> None:
        """Open a lot of each asset, behind those that it has."""
        sids, places = lots.sids, self._placed(lots)
        newest = self._newest[sids]
        self._next[newest] = self._newest[sids] = places
        is_first = newest == NO_PLACE
        if np.count_nonzero(is_first):
            self._oldest[sids[is_first]] = places[is_first]

    def touched(
        self,
        sids: Ints,
        left: Floats,
        is_flat: Bools,
        is_turned: Bools | None = None,
        *,
        starts: Sequence[int] | None = None,
    ) -> LotParts:
        """Return what closing `left` shares of each asset touches, by position of one lot first.

        A position that ends is closed lot by lot whole, so that rounding in their sum leaves no
        dust behind.

        Parameters
        ----------
        is_flat, is_turned : bool array
            All of the position is closed; it is turned over, and counts as one of several lots.
        starts : sequence of int, optional
            Places of the fills with which a moment begins, where there are several; at those of few
            fills one asset follows the other, however many lots it has.
        """
        places = self._oldest[sids]
        size = self._numbers[QUANTITY][places]
        is_all = np.count_nonzero(is_flat) == len(sids)
        part = size if is_all else np.where(is_flat, size, left)
        has_more = self._next[places] != NO_PLACE
        is_later = has_more if is_turned is None else has_more | is_turned
        if not np.count_nonzero(is_later):
            return LotParts(places, part, None, is_all, is_one_each=True)
        by = np.argsort(is_later, kind="stable") if starts is None else _by_moment(is_later, starts)
        asked = np.abs(left)
        goes_on = has_more & (is_flat | (np.abs(size) <= asked + DUST * asked))
        chains = [
            (i, *self.chain(int(sids[i]), float(left[i]), is_flat=bool(is_flat[i])))
            for i in np.flatnonzero(goes_on).tolist()
        ]
        if not chains:
            return LotParts(places[by], part[by], by, is_all, is_one_each=True)
        n = np.ones(len(sids), dtype=np.int64)
        for i, own, _ in chains:
            n[i] = len(own)
        by, start = np.repeat(by, n[by]), np.empty_like(n)
        start[by[::-1]] = np.arange(len(by) - 1, -1, -1)
        places, part = places[by], part[by]
        for i, own, shares in chains:
            here = slice(int(start[i]), int(start[i]) + len(own))
            places[here], part[here] = own, shares
        return LotParts(places, part, by, is_all, is_one_each=False)

    def read(self, places: Ints) -> OpenLots:
        """Return the lots at some places."""
        return OpenLots(self._numbers[:, places], self._t[places], self._fill[places])

    def take_off(self, sids: Ints, touched: LotParts) -> None:
        """Take what was touched off the lots; those that are closed whole are gone."""
        places, by = touched.places, touched.by
        if touched.is_all:
            self._oldest[sids] = self._newest[sids] = NO_PLACE
            self._put_back(places)
            return
        left = self._numbers[QUANTITY][places] - touched.part
        self._numbers[QUANTITY][places] = left
        is_gone = left == 0
        if not np.count_nonzero(is_gone):
            return
        self._put_back(places[is_gone])
        sids = sids if by is None else sids[by]
        if by is not None and not touched.is_one_each:
            # The oldest lot is now the last one that was touched, or the one after it.
            is_last = np.ones(len(by), dtype=bool)
            np.not_equal(by[1:], by[:-1], out=is_last[:-1])
            sids, places, is_gone = sids[is_last], places[is_last], is_gone[is_last]
        follows = np.where(is_gone, self._next[places], places)
        self._oldest[sids] = follows
        self._newest[sids[follows == NO_PLACE]] = NO_PLACE

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
        if not self._n_free:
            self._grow(1)
        self._n_free -= 1
        place = self._free.item(self._n_free)
        self._numbers[:, place] = lot[:N_NUMBERS]
        self._t[place], self._fill[place], self._next[place] = lot.t, lot.fill, NO_PLACE
        newest = self._newest.item(sid)
        self._next[newest] = self._newest[sid] = place
        if newest == NO_PLACE:
            self._oldest[sid] = place

    def chain(self, sid: int, left: float, *, is_flat: bool) -> tuple[list[int], list[float]]:
        """Return the lots of one asset that `touched` finds, and the shares closed of each."""
        places: list[int] = []
        parts: list[float] = []
        place, dust = self._oldest.item(sid), DUST * abs(left)
        while place != NO_PLACE and (is_flat or abs(left) > dust):
            size = self._numbers.item(QUANTITY, place)
            part = size if is_flat or abs(size) <= abs(left) + dust else left
            left -= part
            places.append(place)
            parts.append(part)
            place = self._next.item(place)
        return places, parts

    def take_off_one(self, sid: int, places: list[int], parts: list[float]) -> None:
        """Take parts of the oldest lots of one asset off them, as `take_off` does."""
        follows = places[-1]
        left = self._numbers.item(QUANTITY, follows) - parts[-1]
        if left:
            self._numbers[QUANTITY, follows] = left
            places = places[:-1]
        else:
            follows = self._next.item(follows)
        self._oldest[sid] = follows
        if follows == NO_PLACE:
            self._newest[sid] = NO_PLACE
        for place in places:
            self._free[self._n_free] = place
            self._n_free += 1

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares."""
        places = self._places(sid)
        self._numbers[QUANTITY, places] *= ratio
        self._numbers[PER_SHARE, places] /= ratio

    def return_capital(self, sid: int, value: float, rate: float) -> tuple[float, float]:
        """Take cash per share off the price of each lot, down to 0; what is left is earned.

        `rate` is what one unit of price costs now.

        Returns
        -------
        tuple of float
            What was taken off in all, and what was left, in units of price times shares.
        """
        places = self._places(sid)
        quantity, price = self._numbers[QUANTITY, places], self._numbers[PRICE, places]
        cut = np.minimum(price, value)
        self._numbers[PRICE, places] = price - cut
        # What a lot has earned counts from its own number on.
        self._numbers[EARNED, places] -= value - cut
        self._numbers[INCOME, places] -= (value - cut) * rate
        # What comes back is worth what it is now, not what it was when it was paid.
        self._numbers[REVALUED, places] += cut * (rate - self._numbers[FX_RATE, places])
        return float((quantity * cut).sum()), float((quantity * (value - cut)).sum())

    def reprice(self, sid: int, factor: float) -> None:
        """Multiply the price of each lot."""
        places = self._places(sid)
        self._numbers[PRICE, places] *= factor
        self._numbers[REVALUED, places] *= factor  # of what is no contract: counted from 0

    def fresh_at(self, sid: int, t: int, mark: float, change: float) -> float:
        """Have lots of bar `t` count a change of the rate from their own price, not from the mark.

        Returns the sum of ``quantity * (price - mark)`` of them.
        """
        places = [place for place in self._places(sid) if self._t[place] == t]
        apart = self._numbers[PRICE, places] - mark
        self._numbers[REVALUED, places] -= apart * change
        return float((self._numbers[QUANTITY, places] * apart).sum())

    def move(self, old: int, new: int, by: Floats | None = None) -> None:
        """Put the lots of one asset among those of another, by age.

        `by` is what is to be added to the `SUMS` of each, which count from the new asset's own.
        """
        moved, own = self._places(old), self._places(new)
        if by is not None:
            self._numbers[SUMS, moved] += by[:, np.newaxis]
        places = sorted([*moved, *own], key=self._t.item)
        self._next[places] = [*places[1:], NO_PLACE]
        self._oldest[new], self._newest[new] = places[0], places[-1]
        self._oldest[old] = self._newest[old] = NO_PLACE

    # -- inside -----------------------------------------------------------------------

    def _places(self, sid: int) -> list[int]:
        places, place = [], self._oldest.item(sid)
        while place != NO_PLACE:
            places.append(place)
            place = self._next.item(place)
        return places

    def _placed(self, lots: Lots) -> Ints:
        """Write lots to places, at which their chains end, and return those."""
        places = self._take(len(lots.sids))
        self._numbers[:, places] = lots.numbers
        self._t[places], self._fill[places], self._next[places] = lots.t, lots.fill, NO_PLACE
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


def _by_moment(is_later: Bools, starts: Sequence[int]) -> Ints:
    """Return the places of fills by moment, and in one of many fills those that are later last."""
    n_each = np.diff([*starts, len(is_later)])
    moment = np.repeat(np.arange(len(n_each)), n_each)
    return np.lexsort((is_later & (n_each > FEW)[moment], moment))
