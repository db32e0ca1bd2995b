"""Portfolio: cash, positions and their lots, in arrays indexed by `sid`."""

from __future__ import annotations

from collections import deque

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.fills import Fills
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.portfolio.lots import Lot, Trade, close_lots

# What is left below this share of a position is rounding in its lots: the position is flat.
DUST = 1e-12


class Portfolio:
    """What the account holds. Equity = cash + sum(quantity * mark), at every bar.

    Work per bar grows with the positions held, not with the universe: every vector below
    is read at `held` only.

    Attributes
    ----------
    cash : float
        Account currency.
    held : int array
        Assets with a position, ascending.
    quantity : float array, by sid
        Shares, positive long.
    mark : float array, by sid
        Last known close (the fill price until the first close).
    water_mark : float array, by sid
        Highest price since entry, starting at the entry fill.
    entry_t : int array, by sid
        Bar at which the position was opened from flat.
    """

    def __init__(self, n_assets: int, cash: float, journal: Journal) -> None:
        self.cash = cash
        self.held: Ints = np.empty(0, dtype=np.int64)
        self.quantity = np.zeros(n_assets)
        self.mark = np.full(n_assets, np.nan)
        self.water_mark = np.full(n_assets, np.nan)
        self.entry_t = np.full(n_assets, -1, dtype=np.int64)
        self._basis = np.zeros(n_assets)  # sum of quantity * price over open lots
        self._paid = np.zeros(n_assets)  # commission paid on open lots
        self._lots: dict[int, deque[Lot]] = {}
        self._journal = journal

    def entry_price(self, sids: Ints) -> Floats:
        """Return the average fill price of the open lots, without commission."""
        return self._basis[sids] / self.quantity[sids]

    def equity_at(self, prices: Floats) -> float:
        """Return cash plus positions at `prices`, at the mark where a price is missing."""
        held = self.held
        now = prices[held]
        value = self.quantity[held] * np.where(np.isnan(now), self.mark[held], now)
        return self.cash + float(value.sum())

    def open_trades(self) -> list[Trade]:
        """Return every open lot as a trade without an exit, its P&L at the mark."""
        return [
            Trade(
                sid, lot.quantity, lot.t, lot.price, -1, float("nan"),
                lot.quantity * (float(self.mark[sid]) - lot.price)
                - abs(lot.quantity) * lot.commission,
                abs(lot.quantity) * lot.commission,
                abs(lot.quantity) * lot.slippage,
                "",
            )
            for sid in self.held.tolist()
            for lot in self._lots[sid]
        ]  # fmt: skip

    def apply(self, fills: Fills) -> Ints:
        """Move cash and lots; return the assets that were opened from flat."""
        self.cash -= float((fills.quantity * fills.price + fills.commission).sum())
        size = np.abs(fills.quantity)
        opened = []
        for sid, quantity, price, commission, slippage, reason in zip(
            fills.sids.tolist(), fills.quantity.tolist(), fills.price.tolist(),
            (fills.commission / size).tolist(), (fills.slippage / size).tolist(),
            fills.reason, strict=True,
        ):  # fmt: skip
            lot = Lot(quantity, price, commission, slippage, fills.t)
            if self._fill(sid, lot, reason):
                opened.append(sid)
        self.held = np.flatnonzero(self.quantity)
        return np.array(opened, dtype=np.int64)

    def mark_to_close(self, batch: Batch) -> None:
        """Mark at the close and hand the bar to the journal; no bar: last mark, stale."""
        held = self.held
        close = batch.close[held]
        stale = np.isnan(close)
        mark = np.where(stale, self.mark[held], close)
        self.mark[held] = mark
        # fmax ignores the NaN of an asset without a bar.
        best = close if batch.high is None else batch.high[held]
        self.water_mark[held] = np.fmax(self.water_mark[held], best)
        quantity = self.quantity[held]
        unrealized = quantity * mark - self._basis[held] - self._paid[held]
        self._journal.close(batch.t, self.cash, held, quantity, mark, unrealized, stale)

    def _fill(self, sid: int, fill: Lot, reason: str) -> bool:
        """Apply one fill to one asset; return whether it opened a position from flat."""
        before = float(self.quantity[sid])
        after = before + fill.quantity
        if abs(after) <= DUST * abs(before):
            after = 0.0
        if before * fill.quantity < 0:
            # The cash account never flips, so a closing fill never leaves a remainder.
            for trade in close_lots(self._lots[sid], sid, fill, reason, is_flat=after == 0.0):
                size = abs(trade.quantity)
                self._basis[sid] -= trade.quantity * trade.entry_price
                self._paid[sid] -= trade.commission - size * fill.commission
                self._journal.trade(trade)
            self.quantity[sid] = after
            if after == 0.0:
                self._forget(sid)
            return False
        self.quantity[sid] = after
        self._basis[sid] += fill.quantity * fill.price
        self._paid[sid] += abs(fill.quantity) * fill.commission
        self._lots.setdefault(sid, deque()).append(fill)
        if before == 0.0:
            self.entry_t[sid] = fill.t
            self.mark[sid] = self.water_mark[sid] = fill.price
        return before == 0.0

    def _forget(self, sid: int) -> None:
        """Reset what belongs to a position that is gone, dust included."""
        del self._lots[sid]
        self._basis[sid] = self._paid[sid] = 0.0
        self.mark[sid] = self.water_mark[sid] = np.nan
        self.entry_t[sid] = -1
