"""Portfolio: cash, positions and their lots, in arrays indexed by `sid`."""

from __future__ import annotations

from collections import deque
from enum import Enum

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.levels import LevelPolicy, TrailBy, TrailStart
from ml4t.backtest.core.orders import Fills
from ml4t.backtest.portfolio.lot_book import LotBook
from ml4t.backtest.portfolio.lots import Lot, Lots, Trade, close_lots, open_part

# What is left below this share of a position is rounding in its lots: the position is flat.
DUST = 1e-12
# Up to so many fills are faster one by one than as vectors.
FEW = 4


class Seen(Enum):
    """What of its entry bar a new position has seen."""

    ALL = "all"  # it was opened at the open, or by a move that went on
    CLOSE = "close"  # it was opened inside, by a limit
    NOTHING = "nothing"  # it was opened at the close


class Portfolio:
    """What the account holds. Equity = cash + sum(quantity * mark * multiplier), at every bar.

    Work per bar grows with the positions held, not with the universe: every vector below
    is read at `held` only.

    Parameters
    ----------
    n_assets : int
    cash : float
        Account currency.
    journal : Journal
        Told of every trade, flow and close.
    multiplier : float array, by sid, optional
        Account currency per unit of price and quantity; 1 by default.
    policy : LevelPolicy, optional
        Where water marks start and what moves them.

    Attributes
    ----------
    cash : float
    held : int array
        Assets with a position, ascending.
    quantity : float array, by sid
        Shares, positive long, negative short.
    mark : float array, by sid
        Last known close (the fill price until the first close).
    water_mark : float array, by sid
        Best price since entry: of a long the highest, of a short the lowest.
    peak_quantity : float array, by sid
        Largest ``|quantity|`` since the position was opened from flat.
    entry_t : int array, by sid
        Bar at which the position was opened from flat.
    first_t : int array, by sid
        First bar of which the position has seen something: the entry bar, or the one after it
        where it was opened at a close.
    """

    def __init__(
        self,
        n_assets: int,
        cash: float,
        journal: Journal,
        *,
        multiplier: Floats | None = None,
        policy: LevelPolicy | None = None,
    ) -> None:
        self.cash = cash
        self.held: Ints = np.empty(0, dtype=np.int64)
        self.quantity = np.zeros(n_assets)
        self.mark = np.full(n_assets, np.nan)
        self.water_mark = np.full(n_assets, np.nan)
        self.peak_quantity = np.zeros(n_assets)
        self.entry_t = np.full(n_assets, -1, dtype=np.int64)
        self.first_t = np.full(n_assets, -1, dtype=np.int64)
        self._only_close_t = np.full(n_assets, -1, dtype=np.int64)
        self._last_partial_t = -1
        self.multiplier = np.ones(n_assets) if multiplier is None else multiplier
        self._has_multipliers = bool((self.multiplier != 1).any())
        self._policy = policy if policy is not None else LevelPolicy()
        self._base = np.full(n_assets, np.nan)  # where stops count from; NaN: the average fill
        self._has_bases = False
        self._basis = np.zeros(n_assets)  # sum of quantity * price over open lots
        self._paid = np.zeros(n_assets)  # commission and borrow fees paid on open lots
        self._borrowed = np.zeros(n_assets)  # cost of borrowing one share since the run began
        self._n_short = 0
        self._lots = LotBook(n_assets)
        self._journal = journal
        self._stale: Bools = np.empty(0, dtype=bool)
        self._is_marked = False

    # -- reading ----------------------------------------------------------------------

    @property
    def has_shorts(self) -> bool:
        """Whether any position is short."""
        return self._n_short > 0

    def entry_price(self, sids: Ints) -> Floats:
        """Return the average fill price of the open lots, without commission."""
        average: Floats = self._basis[sids] / self.quantity[sids]
        return average

    def base_price(self, sids: Ints) -> Floats:
        """Return the price from which stops and targets count, as the level policy says."""
        if not self._has_bases:
            return self.entry_price(sids)
        base = self._base[sids]
        return np.where(np.isnan(base), self.entry_price(sids), base)

    def value_at(self, prices: Floats) -> Floats:
        """Return the signed value of each held position, at the mark where a price is missing."""
        held = self.held
        now = prices[held]
        price = np.where(np.isnan(now), self.mark[held], now)
        value: Floats = self.quantity[held] * price
        return value * self.multiplier[held] if self._has_multipliers else value

    def equity_at(self, prices: Floats) -> float:
        """Return cash plus positions at `prices`, at the mark where a price is missing."""
        return self.cash + float(self.value_at(prices).sum())

    def open_trades(self) -> list[Trade]:
        """Return every open lot as a trade without an exit, its P&L at the mark."""
        return [
            open_part(
                sid, lot, float(self.mark[sid]), float(self._borrowed[sid]),
                float(self.multiplier[sid]),
            )
            for sid in self.held.tolist()
            for lot in self._lots.of(sid)
        ]  # fmt: skip

    # -- fills and closes -------------------------------------------------------------

    def apply(self, fills: Fills, seen: Seen = Seen.ALL) -> Ints:
        """Move cash and lots; return the assets that were opened from flat, or turned over.

        `seen` says what of this bar's range belongs to positions that these fills open.
        """
        value = fills.quantity * fills.price
        if self._has_multipliers:
            value = value * self.multiplier[fills.sids]
        self.cash -= float((value + fills.commission).sum())
        size, sids = np.abs(fills.quantity), fills.sids
        lots = Lots(
            sids, fills.quantity, fills.price, fills.commission / size, fills.slippage / size,
            fills.impact / size, fills.t, self._borrowed[sids], fills.reason,
        )  # fmt: skip
        opened = self._fill_each(lots) if len(sids) <= FEW else self._fill_many(lots)
        self._moved()
        if seen is not Seen.ALL and len(opened):
            self._last_partial_t = fills.t
            if seen is Seen.NOTHING:
                self.first_t[opened] = fills.t + 1
            else:
                self._only_close_t[opened] = fills.t
        return opened

    def remark(self, closes: Floats) -> None:
        """Mark what is held at closes at which more may fill; water marks stay."""
        self._mark(closes)

    def mark_to_close(self, batch: Batch) -> None:
        """Mark at the close and move the water marks; no bar: the last mark, stale."""
        self._mark(batch.close)
        held, close = self.held, batch.close[self.held]
        by_close = self._policy.trail_by is TrailBy.CLOSE
        # fmax and fmin ignore the NaN of an asset without a bar.
        high = close if by_close or batch.high is None else batch.high[held]
        best = np.fmax(self.water_mark[held], high)
        if self._n_short:
            low = close if by_close or batch.low is None else batch.low[held]
            lowest = np.fmin(self.water_mark[held], low)
            best = np.where(self.quantity[held] < 0, lowest, best)
        if self._last_partial_t == batch.t:
            best = self._partly_seen(batch.t, held, close, best)
        if self._policy.trail_start is TrailStart.ENTRY_CLOSE:
            best = np.where(self.entry_t[held] == batch.t, self.mark[held], best)
        self.water_mark[held] = best

    def record(self, batch: Batch) -> None:
        """Hand the account at the close to the journal."""
        if not self._is_marked:  # fills at this close came after the mark
            self._mark(batch.close)
        held, quantity, mark = self.held, self.quantity[self.held], self.mark[self.held]
        value, cost = quantity * mark, self._basis[held]
        if self._has_multipliers:
            multiplier = self.multiplier[held]
            value, cost = value * multiplier, cost * multiplier
        cost = cost + self._paid[held]
        self._journal.close(
            batch.t, self.cash, held, quantity, mark, value, value - cost, self._stale
        )

    def rebase(self, sids: Ints, base: Floats | None, water_mark: Floats | None) -> None:
        """Set where levels of newly opened positions count from, and where trails start."""
        if base is not None:
            self._base[sids] = base
            self._has_bases = True
        if water_mark is not None:
            self.water_mark[sids] = water_mark

    # -- what is no fill --------------------------------------------------------------

    def receive(
        self, t: int, sid: int, kind: str, amount: float, *, in_trades: bool = False
    ) -> None:
        """Move cash without a fill; positive = received; sid -1: the account's own."""
        self.cash += amount
        self._journal.cash_flow(t, sid, kind, amount, in_trades=in_trades)

    def charge_borrow(self, t: int, sids: Ints, fee: Floats) -> None:
        """Pay what borrowing short positions cost; `fee` in account currency, positive."""
        self._borrowed[sids] += fee / np.abs(self.quantity[sids])
        self._paid[sids] += fee
        for sid, amount in zip(sids.tolist(), fee.tolist(), strict=True):
            self.receive(t, sid, "borrow", -amount, in_trades=True)

    def split(self, sid: int, ratio: float) -> None:
        """Turn each share into `ratio` shares; what the position is worth stays."""
        if not self.quantity[sid]:
            return
        self.quantity[sid] *= ratio
        self.peak_quantity[sid] *= ratio
        for prices in (self.mark, self.water_mark, self._base, self._borrowed):
            prices[sid] /= ratio
        lots = (
            lot._replace(
                quantity=lot.quantity * ratio, price=lot.price / ratio,
                commission=lot.commission / ratio, slippage=lot.slippage / ratio,
                impact=lot.impact / ratio, borrowed=lot.borrowed / ratio,
            )
            for lot in self._lots.of(sid)
        )  # fmt: skip
        self._lots.put(sid, deque(lots))

    def rename(self, t: int, old: int, new: int) -> bool:
        """Move a position to the asset that the old one became; lots of both are one position.

        A long and a short of what is one asset now close each other at the new one's mark.

        Returns
        -------
        bool
            Whether its levels go with it: of two positions those of the older one stand.
        """
        if self.quantity[old] * self.quantity[new] < 0:
            self._net(t, old, new)
        if not self.quantity[old]:
            return False
        if self.quantity[new]:
            return self._merge(old, new)
        for vector in (
            self.quantity, self.mark, self.water_mark, self.peak_quantity, self._base,
            self._basis, self._paid, self._borrowed,
        ):  # fmt: skip
            vector[new] = vector[old]
        self.entry_t[new], self.first_t[new] = self.entry_t[old], self.first_t[old]
        self._lots.put(new, self._lots.of(old))
        self._forget(old)
        self.quantity[old] = 0.0
        self._moved()
        return True

    def close_out(self, t: int, sid: int, quantity: float, price: float, kind: str) -> None:
        """Exchange shares for cash at `price` without an order or costs: a flow inside a trade.

        Parameters
        ----------
        quantity : float
            Signed like the position, at most all of it.
        """
        if quantity:
            fill = Lot(-quantity, price, 0.0, 0.0, 0.0, t, float(self._borrowed[sid]))
            self._fill(sid, fill, kind)
            amount = quantity * price * float(self.multiplier[sid])
            self.receive(t, sid, kind, amount, in_trades=True)
            self._moved()

    def _net(self, t: int, old: int, new: int) -> None:
        """Close a long and a short against each other, as far as the smaller goes."""
        size = min(abs(float(self.quantity[old])), abs(float(self.quantity[new])))
        price = float(self.mark[new])
        for sid in (old, new):
            side = 1.0 if self.quantity[sid] > 0 else -1.0
            self.close_out(t, sid, side * size, price, "rename")

    def _merge(self, old: int, new: int) -> bool:
        # What borrowing has cost is counted from the new asset's own sum.
        shift = float(self._borrowed[new] - self._borrowed[old])
        moved = [lot._replace(borrowed=lot.borrowed + shift) for lot in self._lots.of(old)]
        lots = sorted([*moved, *self._lots.of(new)], key=lambda lot: lot.t)
        self._lots.put(new, deque(lots))
        for vector in (self.quantity, self.peak_quantity, self._basis, self._paid):
            vector[new] += vector[old]
        is_older = bool(self.entry_t[old] < self.entry_t[new])
        if is_older:
            for own in (self.water_mark, self._base, self.entry_t, self.first_t):
                own[new] = own[old]
        self._n_short -= int(self.quantity[old] < 0)
        self._forget(old)
        self.quantity[old] = 0.0
        self._moved()
        return is_older

    # -- inside -----------------------------------------------------------------------

    def _partly_seen(self, t: int, held: Ints, close: Floats, best: Floats) -> Floats:
        """Return the water marks, held back for what was opened inside or after this bar."""
        mark = self.water_mark[held]
        side = np.sign(self.quantity[held])
        by_close = side * np.fmax(side * mark, side * close)
        best = np.where(self._only_close_t[held] == t, by_close, best)
        return np.where(self.first_t[held] > t, mark, best)

    def _moved(self) -> None:
        self.held = np.flatnonzero(self.quantity)
        self._is_marked = False

    def _mark(self, closes: Floats) -> None:
        held = self.held
        close = closes[held]
        self._stale = np.isnan(close)
        self.mark[held] = np.where(self._stale, self.mark[held], close)
        self._is_marked = True

    def _fill_each(self, lots: Lots) -> Ints:
        opened = [sid for sid, lot, reason in lots.rows() if self._fill(sid, lot, reason)]
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
        self._basis[sids] = lots.quantity * lots.price
        self._paid[sids] = size * lots.commission
        self.entry_t[sids] = self.first_t[sids] = lots.t
        self.mark[sids] = self.water_mark[sids] = lots.price
        self._n_short += int((lots.quantity < 0).sum())

    def _close_single(self, lots: Lots, is_whole: Bools) -> None:
        """Close positions of one lot each, whole or in part."""
        sids = lots.sids
        trades = self._lots.close(lots, is_whole, self.multiplier[sids])
        self._journal.trades(trades)
        self.quantity[sids] += lots.quantity
        self._basis[sids] -= trades.quantity * trades.entry_price
        own = trades.commission - np.abs(trades.quantity) * lots.commission
        self._paid[sids] -= own + trades.borrow
        gone = sids[is_whole]
        self._n_short -= int((trades.quantity[is_whole] < 0).sum())
        self.quantity[gone] = self._basis[gone] = self._paid[gone] = 0.0
        self.peak_quantity[gone] = 0.0
        self.mark[gone] = self.water_mark[gone] = self._base[gone] = np.nan
        self.entry_t[gone] = self.first_t[gone] = -1

    def _fill(self, sid: int, fill: Lot, reason: str) -> bool:
        """Apply one fill to one asset; return whether it opened a position or turned one over."""
        before = float(self.quantity[sid])
        after = before + fill.quantity
        if abs(after) <= DUST * abs(before):
            after = 0.0
        is_turned = before * after < 0
        if (before < 0) != (after < 0):
            self._n_short += 1 if after < 0 else -1
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
        self._basis[sid] += fill.quantity * fill.price
        self._paid[sid] += abs(fill.quantity) * fill.commission
        lots = self._lots.of(sid)
        lots.append(fill)
        self._lots.put(sid, lots)
        is_new = before == 0.0 or is_turned
        if is_new:
            self.entry_t[sid] = self.first_t[sid] = fill.t
            self.mark[sid] = self.water_mark[sid] = fill.price
        return is_new

    def _close(self, sid: int, fill: Lot, reason: str, *, is_flat: bool) -> None:
        lots = self._lots.of(sid)
        trades = close_lots(
            lots, sid, fill, reason, is_flat=is_flat, multiplier=float(self.multiplier[sid])
        )
        self._lots.put(sid, lots)
        for trade in trades:
            size = abs(trade.quantity)
            self._basis[sid] -= trade.quantity * trade.entry_price
            self._paid[sid] -= trade.commission - size * fill.commission + trade.borrow
            self._journal.trade(trade)

    def _forget(self, sid: int) -> None:
        """Reset what belongs to a position that is gone, dust included."""
        self._lots.put(sid, deque())
        self._basis[sid] = self._paid[sid] = self.peak_quantity[sid] = 0.0
        self.mark[sid] = self.water_mark[sid] = self._base[sid] = np.nan
        self.entry_t[sid] = self.first_t[sid] = -1
