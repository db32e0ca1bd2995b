"""ExitFiller: fills the exits that rules asked for, at an open before all else."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.journal import Decision
from ml4t.backtest.core.orders import OrderStatus, tag_of
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.core.tolerances import NO_CHANGE, WHOLE
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import POSITION_CLOSED, OrderBook
from ml4t.backtest.execution.orders.market_orders import MarketOrders, unsized
from ml4t.backtest.execution.orders.order import Order, amend
from ml4t.backtest.execution.pending.changes import Exits, PendingChanges
from ml4t.backtest.execution.pending.market_filler import MarketOrderFiller
from ml4t.backtest.execution.pending.order_filler import CUT_TO_HELD
from ml4t.backtest.execution.pending.tradability import MIN_HOLDING, Tradability


class ExitFiller:
    """Leaves positions at an open, and remembers what it found and closed there.

    Parameters
    ----------
    executor : Executor
    pending : PendingChanges
        Holds the exits, and takes back what could not leave.
    book : OrderBook
        Told of positions that are closed.
    tradability, market_filler
        Of the market orders that exits become.

    Attributes
    ----------
    t : int
        Bar of the last open.
    exits : dict
        Exits that were due at it.
    equity : float
        Before these exits, where there were any; account currency.
    held : int array
        Assets held before these exits, where there were any.
    """

    def __init__(
        self,
        executor: Executor,
        pending: PendingChanges,
        book: OrderBook,
        tradability: Tradability,
        market_filler: MarketOrderFiller,
    ) -> None:
        self._executor, self._portfolio = executor, executor.portfolio
        self._pending, self._book, self._tradability = pending, book, tradability
        self._market_filler, self._ledger = market_filler, market_filler.ledger
        self.t, self.equity, self.held = -1, 0.0, NO_SIDS
        self.exits: Exits = {}
        # Assets of which nothing could be sold at the last open yet.
        self._told: set[int] = set()

    def leave(self, batch: Batch) -> None:
        """Fill the exits that rules asked for: always at the next open."""
        self.t, self.exits = batch.t, self._pending.take_exits(batch.t)
        self._told, told = set(), self._told
        # Asked for at the last close, or inside its bar.
        self._ledger.created_t = batch.t - 1
        if self.exits:
            # Taken before the exits: the base of every target weight.
            self.equity = self._portfolio.equity_at(batch.open)
            self.held = self._portfolio.held
            self._leave(batch, self.exits, told)

    def take_off(self, t: int, order: Order) -> None:
        """Take off an order that only reduces what exits of rules have closed for it in this bar.

        Both were decided at one close: 10 cut to 6, and half of it left, is 5 and not 1.
        """
        closed = self._pending.closed.get(order.sid, 0.0)
        is_meant = order.is_open and order.is_exit and not order.order_type.is_priced
        if not is_meant or order.created_t >= t or closed * order.left <= 0:
            return
        taken = order.side * min(abs(closed), abs(order.left))
        self._pending.closed[order.sid] = closed - taken
        if abs(order.left - taken) <= NO_CHANGE * abs(order.left):
            self._book.end(order, OrderStatus.CANCELLED, POSITION_CLOSED)
        else:
            amend(order, quantity=order.quantity - taken, reason=CUT_TO_HELD)

    def _leave(self, batch: Batch, exits: Exits, told: set[int]) -> None:
        sids = np.array(sorted(exits), dtype=np.int64)
        is_gone = self._portfolio.quantity[sids] == 0
        if is_gone.any():
            tags = tuple(exits[sid][0] for sid in sids[is_gone].tolist())
            self._ledger.end(unsized(sids[is_gone], tags), OrderStatus.CANCELLED, POSITION_CLOSED)
            sids = sids[~is_gone]
        if not len(sids):
            return
        tags = tuple(exits[sid][0] for sid in sids.tolist())
        shares = np.array([exits[sid][1] for sid in sids.tolist()])
        quantity = exit_quantity(self._executor, sids, shares)
        market_orders = MarketOrders(sids, quantity, tags)
        can = self._tradability.can_trade(batch, batch.open, market_orders)
        self._hold_back(batch.t, market_orders, can, told)
        if not can.all():
            # A position that is to be left is left at the first open at which it trades.
            self._pending.put_back({sid: exits[sid] for sid in sids[~can].tolist()})
            market_orders = market_orders.where(can)
        done = self._market_filler.fill(
            batch, batch.open, market_orders, why_cut="the rest follows"
        )
        self._pending.note_closed(market_orders.sids, done)
        self._book.close_orphans(self._portfolio)
        for i in np.flatnonzero(done != market_orders.quantity).tolist():
            sid = int(market_orders.sids[i])
            rest = abs(float(market_orders.quantity[i] - done[i]))
            live = abs(float(self._portfolio.quantity[sid]))
            if live:
                rule = tag_of(market_orders.tags, i)
                self._pending.put_back({sid: (rule, min(rest / live, 1.0))})

    def _hold_back(self, t: int, market_orders: MarketOrders, can: Bools, told: set[int]) -> None:
        """Take out of `can` what nothing may be sold of, and tell of it when it begins to wait."""
        quantity = market_orders.quantity
        waits = can & (quantity != 0) & (self._executor.free(market_orders.sids, quantity) == 0)
        for i in np.flatnonzero(waits).tolist():
            sid, can[i] = int(market_orders.sids[i]), False
            self._told.add(sid)
            if sid not in told:
                self._executor.journal.record(
                    Decision(
                        t=t, sid=sid, rule=tag_of(market_orders.tags, i), action="wait",
                        level=float("nan"), reason=MIN_HOLDING, features={},
                    )
                )  # fmt: skip


def exit_quantity(executor: Executor, sids: Ints, shares: Floats) -> Floats:
    """Return what exits of shares of positions sell (or buy), signed."""
    live: Floats = executor.portfolio.quantity[sids]
    if not (shares < 1).any():
        return -live
    # Rounded up to whole lots: a reduction that was asked for is not undercut.
    lots = executor.lot_size[sids]
    safe = np.where(lots > 0, lots, 1.0)
    part = np.abs(live) * shares
    part = np.where(lots > 0, np.ceil(part / safe - WHOLE) * safe, part)
    return np.where(shares < 1, -np.sign(live) * np.minimum(part, np.abs(live)), -live)
