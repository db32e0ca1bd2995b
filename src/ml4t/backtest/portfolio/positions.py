"""Positions: quantities, lots and marks by `sid`, and what fills, splits and renames do to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.event import NAN
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.core.trades import Trade, Trades
from ml4t.backtest.portfolio.lot_book import LotBook
from ml4t.backtest.portfolio.lots import (
    FEW,
    FX_RATE,
    N_SUMS,
    QUANTITY,
    SUMS,
    Lot,
    Lots,
    charge_of,
    closed,
    closed_one,
    cost_of,
    open_part,
)

# What there is of a position that is none: quantity, mark, water mark, peak quantity, base, basis,
# what was paid, what was received and what was laid out.
FLAT = np.array([[0.0], [NAN], [NAN], [0.0], [NAN], [0.0], [0.0], [0.0], [0.0]])
FLAT_ONE = FLAT[:, 0]


class RatesNow(Protocol):
    """What currencies of assets cost now, by sid."""

    @property
    def rate(self) -> Floats:
        """Account currency per unit of price."""
        ...

    @property
    def units(self) -> Floats:
        """Currency of the asset per unit of price and quantity."""
        ...


class Moved(NamedTuple):
    """What fills have done to positions.

    Attributes
    ----------
    opened : int array
        Assets that were opened from flat, or turned over.
    new : int array
        Those of them that were flat.
    gone : int array
        Assets that are flat now.
    """

    opened: Ints
    new: Ints
    gone: Ints


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
    rates : RatesNow, optional
        What currencies of assets cost, where some have others than the account.

    Attributes
    ----------
    quantity, mark, water_mark, peak_quantity, entry_t, first_t : arrays, by sid
        As in `Portfolio`.
    base : float array, by sid
        Where stops count from; NaN: the average fill.
    basis : float array, by sid
        Sum of ``quantity * price`` over open lots.
    paid : float array, by sid
        Commission, tax, fees and borrow fees paid on open lots, account currency.
    borrowed : float array, by sid
        Cost of borrowing one share since the run began, account currency.
    received : float array, by sid
        Dividends that open lots were entitled to, account currency, negative where owed.
    earned, income : float array, by sid
        Dividends of one share since the run began, in units of price; and in account currency per
        unit of multiplier, where there are rates.
    revalued : float array, by sid
        What rates have changed of one share's value that was settled before, since the run began,
        account currency per unit of multiplier.
    outlay : float array, by sid
        Sum of ``quantity * Lot.cost`` over open lots, where there are rates.
    n_short : int
        Positions that are short.
    has_carried : bool
        Whether holding anything has ever cost a fee or brought a dividend.
    has_levies : bool
        Whether any fill has ever paid a tax or a fee.
    """

    def __init__(
        self, n_assets: int, journal: Journal, multiplier: Floats, rates: RatesNow | None = None
    ) -> None:
        # What begins and ends with a position, one row each.
        self._own: Floats = np.repeat(FLAT, n_assets, axis=1)
        rows: list[Floats] = list(self._own)
        self.quantity, self.mark, self.water_mark, self.peak_quantity, *rows = rows
        self.base, self.basis, self.paid, self.received, self.outlay = rows
        self._bars: Ints = np.full((2, n_assets), -1)
        bars: list[Ints] = list(self._bars)
        self.entry_t, self.first_t = bars
        self._sums: Floats = np.zeros((N_SUMS, n_assets))
        self.borrowed, self.earned, self.income, self.revalued = self._sums
        self.n_short, self.has_carried, self.has_levies = 0, False, False
        # What prices of trades are multiplied with: where there are rates lots remember their own.
        self._rates, self.multiplier = rates, multiplier
        self._units = multiplier if rates is None else rates.units
        self._has_units = bool((self._units != 1).any())
        self._lots = LotBook(n_assets)
        self._journal = journal

    def dividends_per_share(self, sid: int) -> float:
        """Return the dividends that the open lots were entitled to, per share, units of price."""
        earned, quantity = self.earned.item(sid), self.quantity.item(sid)
        received = sum(lot.quantity * (earned - lot.earned) for lot in self._lots.of(sid))
        return received / quantity if quantity else NAN

    def closing(self, sid: int, quantity: float, price: float) -> Lot:
        """Return the fill that would close `quantity` shares at `price` without costs."""
        borrowed, earned, income, revalued = self._sums[:, sid].tolist()
        return Lot(
            -quantity, price, 0.0, 0.0, 0.0, 0.0, 0.0, borrowed, earned, income, revalued,
            self._rate(sid),
        )  # fmt: skip

    def open_trades(self, sid: int) -> list[Trade]:
        """Return the open lots of one asset as trades without an exit, their P&L at the mark."""
        units, mark = float(self._units[sid]), self.mark.item(sid)
        return [
            open_part(
                sid, lot, self.closing(sid, lot.quantity, mark), units,
                has_rates=self._rates is not None,
            )
            for lot in self._lots.of(sid)
        ]  # fmt: skip

    def lots_of(self, sid: int) -> list[Lot]:
        """Return the open lots of one asset, oldest first."""
        return self._lots.of(sid)

    # -- fills ------------------------------------------------------------------------

    def fill(self, lots: Lots) -> Moved:
        """Apply fills of one moment."""
        self._note_carried(lots)
        return self._fill_each(lots) if len(lots.sids) <= FEW else self._fill_many(lots)

    def change(self, lots: Lots, n_closing: int) -> Moved:
        """Apply fills of one moment, at first so many that reduce positions, then increases.

        It is what `fill` makes of these and of those, one after the other.
        """
        self._note_carried(lots)
        closing, opening = lots.at(slice(n_closing)), lots.at(slice(n_closing, None))
        before = self.quantity[closing.sids]
        after = before + closing.numbers[QUANTITY]
        is_gone = np.abs(after) <= DUST * np.abs(before)
        gone = closing.sids[is_gone]
        self._reduce(closing, after, is_gone, starts=(0,))
        before = self.quantity[opening.sids]
        if not np.count_nonzero(before):
            self._open(opening)
            return Moved(opening.sids, opening.sids, gone)
        self._increase(opening, before)
        new = opening.sids[before == 0]
        return Moved(new, new, gone)

    def close_over(self, lots: Lots, starts: Sequence[int]) -> None:
        """Apply fills that close positions whole, of several moments that begin at some places.

        It is what `fill` makes of each moment, one after the other.
        """
        self._note_carried(lots)
        n_fills = len(lots.sids)
        self._reduce(lots, np.zeros(n_fills), np.ones(n_fills, dtype=bool), starts=starts)

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
        self.paid[sid] += abs(fill.quantity) * fill.charge
        if self._rates is not None:
            self.outlay[sid] += fill.quantity * fill.cost
        self._lots.append_one(sid, fill)
        is_new = before == 0.0 or is_turned
        if is_new:
            self.entry_t[sid] = self.first_t[sid] = fill.t
            self.mark[sid] = self.water_mark[sid] = fill.price
        return is_new

    # -- what is no fill --------------------------------------------------------------

    def entitle(self, sid: int, value: float) -> float:
        """Entitle the open lots to a dividend of `value` per share; return it in money."""
        self.has_carried = True
        amount = float(self.quantity[sid]) * value * float(self.multiplier[sid])
        self.earned[sid] += value
        self.income[sid] += value * self._rate(sid)
        self.received[sid] += amount
        return amount

    def carry(self, sid: int, cost: float) -> None:
        """Charge the open lots what holding them cost, account currency; negative = received."""
        self.has_carried = True
        self.borrowed[sid] += cost / abs(float(self.quantity[sid]))
        self.paid[sid] += cost

    def return_capital(self, sid: int, value: float) -> bool:
        """Take cash per share off what the open lots have cost; return whether some was more."""
        rate = self._rate(sid)
        cut, more = self._lots.return_capital(sid, value, rate)
        self.basis[sid] -= cut
        self.outlay[sid] -= cut * rate
        self.received[sid] += more * float(self.multiplier[sid])
        self.has_carried |= more != 0
        return more != 0

    def reprice(self, sid: int, factor: float) -> None:
        """Multiply what the open lots have cost, without their charges."""
        self.basis[sid] *= factor
        self.outlay[sid] *= factor
        self.base[sid] *= factor
        self._lots.reprice(sid, factor)

    def revalue(self, t: int, sids: Ints, change: Floats) -> Floats:
        """Settle positions at rates that change at the close of bar `t`.

        What was settled at earlier rates stays so: each lot counts on from the last mark, one of
        this bar from its price. Returns what that is of each position, account currency.
        """
        self.has_carried = True
        settled = self.quantity[sids] * self.mark[sids]
        self.revalued[sids] += self.mark[sids] * change
        for i, (sid, by) in enumerate(zip(sids.tolist(), change.tolist(), strict=True)):
            apart = self._lots.fresh_at(sid, t, self.mark.item(sid), by)
            settled[i] += apart
            self.outlay[sid] += apart * by
        return settled * change * self._units[sids]

    def laid_out(self, sids: Ints) -> Floats:
        """Return what positions cost at the rates of their fills, without charges."""
        own: Floats = self.outlay[sids] + self.quantity[sids] * self.revalued[sids]
        return own * self._units[sids]

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares; what the position is worth stays."""
        if not self.quantity[sid]:
            return
        self.quantity[sid] *= ratio
        self.peak_quantity[sid] *= ratio
        for prices in (self.mark, self.water_mark, self.base, *self._sums):
            prices[sid] /= ratio
        self._lots.split(sid, ratio)

    def rename(self, old: int, new: int) -> bool:
        """Move a position to another asset, where it joins what is held of that on its side.

        Returns
        -------
        bool
            Whether its levels go with it: of two positions those of the older one stand.
        """
        if self.quantity[new]:
            return self._merge(old, new)
        self._own[:, new], self._bars[:, new] = self._own[:, old], self._bars[:, old]
        self._sums[:, new] = self._sums[:, old]
        self._lots.move(old, new)
        self._forget(old)
        return True

    # -- inside -----------------------------------------------------------------------

    def _rate(self, sid: int) -> float:
        """Return what one unit of an asset's price costs now."""
        return 1.0 if self._rates is None else self._rates.rate.item(sid)

    def _note_carried(self, lots: Lots) -> None:
        """Note what holding one share has cost and brought until these fills, and the rates."""
        if self.has_carried:
            lots.numbers[SUMS] = self._sums[:, lots.sids]
        if self._rates is not None:
            lots.numbers[FX_RATE] = self._rates.rate[lots.sids]

    def _fill_each(self, lots: Lots) -> Moved:
        opened: list[int] = []
        new: list[int] = []
        gone: list[int] = []
        for sid, lot, reason in lots.rows():
            was_flat = self.quantity[sid] == 0
            if self.fill_one(sid, lot, reason):
                opened.append(sid)
                new += [sid] if was_flat else []
            elif self.quantity[sid] == 0:
                gone.append(sid)
        return Moved(_sids(opened), _sids(new), _sids(gone))

    def _fill_many(self, lots: Lots) -> Moved:
        """Apply fills as vectors: what closes positions, then what opens or adds to them."""
        sids, quantity = lots.sids, lots.numbers[QUANTITY]
        before = self.quantity[sids]
        if not np.count_nonzero(before):
            self._open(lots)
            return Moved(sids, sids, NO_SIDS)
        after = before + quantity
        if not np.count_nonzero(after):
            self._reduce(lots, after, np.ones(len(sids), dtype=bool))
            return Moved(NO_SIDS, NO_SIDS, sids)
        new, closes = sids[before == 0], before * quantity < 0
        n_closing = np.count_nonzero(closes)
        if not n_closing:
            self._increase(lots, before)
            return Moved(new, new, NO_SIDS)
        is_gone = np.abs(after) <= DUST * np.abs(before)
        is_turned = (before * after < 0) & ~is_gone
        if np.count_nonzero(is_turned):
            self._turn(lots, after, closes, is_gone, is_turned)
            return Moved(np.concatenate((new, sids[is_turned])), new, sids[is_gone])
        if n_closing == len(sids):
            self._reduce(lots, after, is_gone)
            return Moved(new, new, sids[is_gone])
        self._reduce(lots.at(closes), after[closes], is_gone[closes])
        self._increase(lots.at(~closes), before[~closes])
        return Moved(new, new, sids[is_gone])

    def _turn(
        self, lots: Lots, after: Floats, closes: Bools, is_gone: Bools, is_turned: Bools
    ) -> None:
        """Apply fills some of which turn positions over: they close all, and open the rest."""
        is_flat = is_gone | is_turned
        self._reduce(lots.at(closes), after[closes], is_flat[closes], is_turned[closes])
        opens = ~closes | is_turned
        rest = lots.at(opens)
        rest.numbers[QUANTITY] = np.where(is_turned, after, lots.numbers[QUANTITY])[opens]
        self._increase(rest, self.quantity[rest.sids])

    def _open(self, lots: Lots) -> None:
        """Open positions from flat."""
        sids, (quantity, price, *_) = lots.sids, lots.numbers
        size, charge = np.abs(quantity), charge_of(lots.numbers, has_levies=self.has_levies)
        self._lots.open(lots)
        self.quantity[sids], self.peak_quantity[sids] = quantity, size
        self.basis[sids], self.paid[sids] = quantity * price, size * charge
        if self._rates is not None:
            self.outlay[sids] = quantity * cost_of(lots.numbers)
        self.entry_t[sids] = self.first_t[sids] = lots.t
        self.mark[sids] = self.water_mark[sids] = price
        self.n_short += int(np.count_nonzero(quantity < 0))

    def _increase(self, lots: Lots, before: Floats) -> None:
        """Add to positions, or open them; `before`: what is held of each."""
        sids, (quantity, price, *_) = lots.sids, lots.numbers
        charge = charge_of(lots.numbers, has_levies=self.has_levies)
        after, is_new = before + quantity, before == 0
        self._lots.append(lots)
        self.quantity[sids] = after
        self.peak_quantity[sids] = np.maximum(self.peak_quantity[sids], np.abs(after))
        self.basis[sids] += quantity * price
        self.paid[sids] += np.abs(quantity) * charge
        if self._rates is not None:
            self.outlay[sids] += quantity * cost_of(lots.numbers)
        if np.count_nonzero(is_new):
            new, paid = sids[is_new], price[is_new]
            self.entry_t[new] = self.first_t[new] = lots.t
            self.mark[new] = self.water_mark[new] = paid
            self.n_short += int(np.count_nonzero(after[is_new] < 0))

    def _reduce(
        self,
        lots: Lots,
        after: Floats,
        is_flat: Bools,
        is_turned: Bools | None = None,
        *,
        starts: Sequence[int] | None = None,
    ) -> None:
        """Close positions, wholly where `is_flat`; of the others `after` is left."""
        sids, asked = lots.sids, -lots.numbers[QUANTITY]
        touched = self._lots.touched(sids, asked, is_flat, is_turned, starts=starts)
        fills = lots if touched.by is None else lots.at(touched.by)
        lots_there = self._lots.read(touched.places)
        trades = closed(
            lots_there, touched.part, fills, self._units[fills.sids] if self._has_units else None,
            has_carried=self.has_carried, has_levies=self.has_levies,
            has_rates=self._rates is not None,
        )  # fmt: skip
        self._journal.record(trades)
        self._lots.take_off(sids, touched)
        gone = sids
        if not touched.is_all:
            self._take_off(trades, charge_of(fills.numbers, has_levies=self.has_levies))
            if self._rates is not None:
                laid_out = touched.part * cost_of(lots_there.numbers)
                np.subtract.at(self.outlay, trades.sid, laid_out)
            gone = sids[is_flat]
        if self.n_short:
            self.n_short -= int(np.count_nonzero(self.quantity[gone] < 0))
        self.quantity[sids] = after
        self._own[:, gone], self._bars[:, gone] = FLAT, -1

    def _take_off(self, trades: Trades, charge: Floats) -> None:
        """Take what closed lots have cost and brought off their positions, trade by trade."""
        np.subtract.at(self.basis, trades.sid, trades.quantity * trades.entry_price)
        own = trades.charge - np.abs(trades.quantity) * charge
        np.subtract.at(self.paid, trades.sid, own + trades.borrow)
        if self.has_carried:
            np.subtract.at(self.received, trades.sid, trades.dividends)

    def _close(self, sid: int, fill: Lot, reason: str, *, is_flat: bool) -> None:
        places, parts = self._lots.chain(sid, -fill.quantity, is_flat=is_flat)
        units, has_rates = float(self._units[sid]), self._rates is not None
        for place, part in zip(places, parts, strict=True):
            lot = self._lots.lot(place)
            trade = closed_one(sid, lot, part, fill, reason, units, has_rates=has_rates)
            if has_rates:
                self.outlay[sid] -= part * lot.cost
            self.basis[sid] -= part * trade.entry_price
            self.paid[sid] -= trade.charge - abs(part) * fill.charge + trade.borrow
            self.received[sid] -= trade.dividends
            self._journal.record(trade)
        if places:  # none where rounding had closed the last lot before
            self._lots.take_off_one(sid, places, parts)

    def _forget(self, sid: int) -> None:
        """Reset what belongs to a position that is gone, dust included."""
        self._own[:, sid], self._bars[:, sid] = FLAT_ONE, -1

    def _merge(self, old: int, new: int) -> bool:
        # What borrowing has cost, and dividends, are counted from the new asset's own sums.
        by = self._sums[:, new] - self._sums[:, old]
        self._lots.move(old, new, by)
        self.outlay[old] -= float(self.quantity[old]) * float(by[-1])  # as that of `revalued`
        for vector in (self.quantity, self.peak_quantity, self.basis, self.paid, self.received,
                       self.outlay):  # fmt: skip
            vector[new] += vector[old]
        is_older = bool(self.entry_t[old] < self.entry_t[new])
        if is_older:
            for own in (self.water_mark, self.base, self.entry_t, self.first_t):
                own[new] = own[old]
        self.n_short -= int(self.quantity[old] < 0)
        self._forget(old)
        return is_older


def _sids(sids: list[int]) -> Ints:
    return np.array(sids, dtype=np.int64) if sids else NO_SIDS
