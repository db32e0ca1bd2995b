"""Positions: quantities, lots and marks by `sid`, and what fills, splits and renames do to them."""

from __future__ import annotations

from collections import deque

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.portfolio.lot_book import LotBook
from ml4t.backtest.portfolio.lots import Lot, Lots, close_lots

# Up to so many fills are faster one by one than as vectors.
FEW = 4


class Positions:
    """What is held of each asset; knows nothing of cash.

    Every vector is written in place: `Portfolio` reads the same arrays.

    Parameters
    ----------
    n_assets : int
    journal : Journal
        Told of every trade.
    multiplier : float array, by sid
        Account currency per unit of price and quantity.

    Attributes
    ----------
    quantity, mark, water_mark, peak_quantity, entry_t, first_t : arrays, by sid
        As in `Portfolio`.
    base : float array, by sid
        Where stops count from; NaN: the average fill.
    basis : float array, by sid
        Sum of ``quantity * price`` over open lots.
    paid : float array, by sid
        Commission and borrow fees paid on open lots, account currency.
    borrowed : float array, by sid
        Cost of borrowing one share since the run began, account currency.
    received : float array, by sid
        Dividends that open lots were entitled to, account currency, negative where owed.
    earned : float array, by sid
        Dividends of one share since the run began, in units of price.
    n_short : int
        Positions that are short.
    """

    def __init__(self, n_assets: int, journal: Journal, multiplier: Floats) -> None:
        self.quantity = np.zeros(n_assets)
        self.mark = np.full(n_assets, np.nan)
        self.water_mark = np.full(n_assets, np.nan)
        self.peak_quantity = np.zeros(n_assets)
        self.entry_t = np.full(n_assets, -1, dtype=np.int64)
        self.first_t = np.full(n_assets, -1, dtype=np.int64)
        self.base = np.full(n_assets, np.nan)
        self.basis = np.zeros(n_assets)
        self.paid = np.zeros(n_assets)
        self.borrowed = np.zeros(n_assets)
        self.received, self.earned = np.zeros(n_assets), np.zeros(n_assets)
        self.n_short = 0
        self.multiplier = multiplier
        self._lots = LotBook(n_assets)
        self._journal = journal

    def lots_of(self, sid: int) -> deque[Lot]:
        """Return the open lots of one asset, oldest first."""
        return self._lots.of(sid)

    # -- fills ------------------------------------------------------------------------

    def fill(self, lots: Lots) -> Ints:
        """Apply fills of one moment; return the assets opened from flat, or turned over."""
        return self._fill_each(lots) if len(lots.sids) <= FEW else self._fill_many(lots)

    def fill_one(self, sid: int, fill: Lot, reason: str) -> bool:
        """Apply one fill to one asset; return whether it opened a position or turned one over."""
        before = float(self.quantity[sid])
        after = before + fill.quantity
        if abs(after) <= DUST * abs(before):
            after = 0.0
        is_turned = before * after < 0
        if (before < 0) != (after < 0):
            self.n_short += 1 if after < 0 else -1
        if before * fill.quantity < 0:
            closing = fill._replace(quantity=-before) if is_turned else fill
            self._close(sid, closing, reason, is_flat=is_turned or after == 0.0)
            if not is_turned:
                self.quantity[sid] = after
                if after == 0.0:
                    self._forget(sid)
                return False
            self._forget(sid)
            fill = fill._replace(quantity=after)
        self.quantity[sid] = after
        if abs(after) > self.peak_quantity[sid]:
            self.peak_quantity[sid] = abs(after)
        self.basis[sid] += fill.quantity * fill.price
        self.paid[sid] += abs(fill.quantity) * fill.commission
        lots = self._lots.of(sid)
        lots.append(fill)
        self._lots.put(sid, lots)
        is_new = before == 0.0 or is_turned
        if is_new:
            self.entry_t[sid] = self.first_t[sid] = fill.t
            self.mark[sid] = self.water_mark[sid] = fill.price
        return is_new

    # -- what is no fill --------------------------------------------------------------

    def entitle(self, sid: int, value: float) -> float:
        """Entitle the open lots to a dividend of `value` per share; return it in money."""
        amount = float(self.quantity[sid]) * value * float(self.multiplier[sid])
        self.earned[sid] += value
        self.received[sid] += amount
        return amount

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares; what the position is worth stays."""
        if not self.quantity[sid]:
            return
        self.quantity[sid] *= ratio
        self.peak_quantity[sid] *= ratio
        for prices in (self.mark, self.water_mark, self.base, self.borrowed, self.earned):
            prices[sid] /= ratio
        lots = (
            lot._replace(
                quantity=lot.quantity * ratio, price=lot.price / ratio,
                commission=lot.commission / ratio, slippage=lot.slippage / ratio,
                impact=lot.impact / ratio, borrowed=lot.borrowed / ratio,
                earned=lot.earned / ratio,
            )
            for lot in self._lots.of(sid)
        )  # fmt: skip
        self._lots.put(sid, deque(lots))

    def rename(self, old: int, new: int) -> bool:
        """Move a position to another asset, where it joins what is held of that on its side.

        Returns
        -------
        bool
            Whether its levels go with it: of two positions those of the older one stand.
        """
        if self.quantity[new]:
            return self._merge(old, new)
        for vector in (
            self.quantity, self.mark, self.water_mark, self.peak_quantity, self.base,
            self.basis, self.paid, self.borrowed, self.received, self.earned,
        ):  # fmt: skip
            vector[new] = vector[old]
        self.entry_t[new], self.first_t[new] = self.entry_t[old], self.first_t[old]
        self._lots.put(new, self._lots.of(old))
        self._forget(old)
        self.quantity[old] = 0.0
        return True

    # -- inside -----------------------------------------------------------------------

    def _fill_each(self, lots: Lots) -> Ints:
        opened = [sid for sid, lot, reason in lots.rows() if self.fill_one(sid, lot, reason)]
        return np.array(opened, dtype=np.int64)

    def _fill_many(self, lots: Lots) -> Ints:
        """Apply fills as vectors where they open a position from flat or close one lot."""
        before = self.quantity[lots.sids]
        after = before + lots.quantity
        is_opening = before == 0
        is_whole = (np.abs(after) <= DUST * np.abs(before)) & ~is_opening
        is_part = (before * lots.quantity < 0) & (before * after > 0)
        is_closing = self._lots.is_single(lots.sids) & (is_whole | is_part)
        if is_closing.any():
            self._close_single(lots.where(is_closing), is_whole[is_closing])
        opening = lots.where(is_opening)
        if len(opening.sids):
            self._open(opening)
        is_other = ~(is_opening | is_closing)
        if not is_other.any():
            return opening.sids
        return np.concatenate([opening.sids, self._fill_each(lots.where(is_other))])

    def _open(self, lots: Lots) -> None:
        """Open positions from flat."""
        sids = lots.sids
        self._lots.open(lots)
        self.quantity[sids] = lots.quantity
        size = np.abs(lots.quantity)
        self.peak_quantity[sids] = size
        self.basis[sids] = lots.quantity * lots.price
        self.paid[sids] = size * lots.commission
        self.entry_t[sids] = self.first_t[sids] = lots.t
        self.mark[sids] = self.water_mark[sids] = lots.price
        self.n_short += int((lots.quantity < 0).sum())

    def _close_single(self, lots: Lots, is_whole: Bools) -> None:
        """Close positions of one lot each, whole or in part."""
        sids = lots.sids
        trades = self._lots.close(lots, is_whole, self.multiplier[sids])
        self._journal.record(trades)
        self.quantity[sids] += lots.quantity
        self.basis[sids] -= trades.quantity * trades.entry_price
        own = trades.commission - np.abs(trades.quantity) * lots.commission
        self.paid[sids] -= own + trades.borrow
        self.received[sids] -= trades.dividends
        gone = sids[is_whole]
        self.n_short -= int((trades.quantity[is_whole] < 0).sum())
        self.quantity[gone] = self.basis[gone] = self.paid[gone] = 0.0
        self.peak_quantity[gone] = self.received[gone] = 0.0
        self.mark[gone] = self.water_mark[gone] = self.base[gone] = np.nan
        self.entry_t[gone] = self.first_t[gone] = -1

    def _close(self, sid: int, fill: Lot, reason: str, *, is_flat: bool) -> None:
        lots = self._lots.of(sid)
        trades = close_lots(
            lots, sid, fill, reason, is_flat=is_flat, multiplier=float(self.multiplier[sid])
        )
        self._lots.put(sid, lots)
        for trade in trades:
            size = abs(trade.quantity)
            self.basis[sid] -= trade.quantity * trade.entry_price
            self.paid[sid] -= trade.commission - size * fill.commission + trade.borrow
            self.received[sid] -= trade.dividends
            self._journal.record(trade)

    def _forget(self, sid: int) -> None:
        """Reset what belongs to a position that is gone, dust included."""
        self._lots.put(sid, deque())
        self.basis[sid] = self.paid[sid] = self.peak_quantity[sid] = self.received[sid] = 0.0
        self.mark[sid] = self.water_mark[sid] = self.base[sid] = np.nan
        self.entry_t[sid] = self.first_t[sid] = -1

    def _merge(self, old: int, new: int) -> bool:
        # What borrowing has cost, and dividends, are counted from the new asset's own sums.
        cost = float(self.borrowed[new] - self.borrowed[old])
        gain = float(self.earned[new] - self.earned[old])
        moved = [
            lot._replace(borrowed=lot.borrowed + cost, earned=lot.earned + gain)
            for lot in self._lots.of(old)
        ]
        lots = sorted([*moved, *self._lots.of(new)], key=lambda lot: lot.t)
        self._lots.put(new, deque(lots))
        for vector in (self.quantity, self.peak_quantity, self.basis, self.paid, self.received):
            vector[new] += vector[old]
        is_older = bool(self.entry_t[old] < self.entry_t[new])
        if is_older:
            for own in (self.water_mark, self.base, self.entry_t, self.first_t):
                own[new] = own[old]
        self.n_short -= int(self.quantity[old] < 0)
        self._forget(old)
        self.quantity[old] = 0.0
        return is_older
