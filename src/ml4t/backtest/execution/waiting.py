"""Waiting orders: what was decided at a close and fills at one price of a bar.

The order is fixed: exits of rules; then what reduces positions (target weights, then discrete
orders by number); then what increases them, in the same order. So cash and margin are free
before they are asked for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints, Selection
from ml4t.backtest.core.orders import OrderStatus, OrderType
from ml4t.backtest.execution.account import Account
from ml4t.backtest.execution.discrete import CANNOT_SHORT, DiscreteOrders
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.fitting import SMALLEST_SHARE, fit
from ml4t.backtest.execution.gate import NO_BAR, Gate
from ml4t.backtest.execution.order import Order
from ml4t.backtest.execution.order_book import POSITION_CLOSED, OrderBook
from ml4t.backtest.execution.policy import Moment, SizedAt
from ml4t.backtest.execution.submission import fitting_changes, fitting_orders
from ml4t.backtest.execution.tickets import TicketLedger, Tickets
from ml4t.backtest.execution.ticks import WHOLE
from ml4t.backtest.portfolio.portfolio import Seen

END_OF_DATA = "end of data"
REBALANCE = "rebalance"
# A change below this share of the position is rounding, not a decision.
SMALLEST_CHANGE = 1e-9
NO_SIDS: Ints = np.empty(0, dtype=np.int64)
Exits = dict[int, tuple[str, float]]
Kinds = tuple[OrderType, ...]


class Waiting:
    """The queue between a decision and its fill.

    Parameters
    ----------
    executor : Executor
    book : OrderBook
        Holds the discrete orders.
    discrete : DiscreteOrders
    account : Account
    gate, ledger
        Of the tickets that targets and exits become.
    """

    def __init__(
        self,
        executor: Executor,
        book: OrderBook,
        discrete: DiscreteOrders,
        account: Account,
        gate: Gate,
        ledger: TicketLedger,
    ) -> None:
        self._executor, self._book, self._discrete = executor, book, discrete
        self._account, self._gate, self._ledger = account, gate, ledger
        self._portfolio = executor.portfolio
        self._targets: Selection | None = None
        self._target_quantity: Floats | None = None
        self._exits: Exits = {}
        self._leaving: Exits = {}
        self._closed: dict[int, float] = {}  # shares that exits closed at this open, signed
        self._closed_inside: set[int] = set()
        self._left_t, self._targets_t, self._equity = -1, -1, 0.0
        self._before = self._untouched = NO_SIDS

    # -- queueing ---------------------------------------------------------------------

    def targets(self, batch: Batch, selection: Selection, untouched: Ints = NO_SIDS) -> None:
        """Queue target weights, zero for all else held; the newest wish counts."""
        self._targets, self._untouched, self._targets_t = selection, untouched, batch.t
        if self._executor.policy.sized_at is SizedAt.DECISION:
            close = batch.close[selection.sids]
            equity = self._portfolio.equity_at(batch.close)
            self._target_quantity = self._sized(selection.sids, selection.weights, close, equity)

    def exits(self, sids: Ints, rules: tuple[str, ...], parts: Floats | None = None) -> None:
        """Queue exits, of all or of parts of the peak quantity; of two the larger stands."""
        live = np.abs(self._portfolio.quantity[sids])
        share = np.ones(len(sids))
        if parts is not None:
            peak = self._portfolio.peak_quantity[sids]
            share = np.minimum(parts * peak / np.where(live > 0, live, 1.0), 1.0)
        for sid, rule, size, part in zip(
            sids.tolist(), rules, live.tolist(), share.tolist(), strict=True
        ):
            if size and part > self._exits.get(sid, ("", 0.0))[1]:
                self._exits[sid] = (rule, part)

    def scale_down(self, rule: str, factor: float) -> None:
        """Queue the reduction of every position to `factor` of what it is."""
        for sid in self._portfolio.held.tolist():
            if 1 - factor > self._exits.get(sid, ("", 0.0))[1]:
                self._exits[sid] = (rule, 1 - factor)

    def leaving(self) -> list[int]:
        """Return the assets of which an exit of all is queued."""
        return [sid for sid, (_, share) in self._exits.items() if share >= 1]

    def closed_inside(self, sids: Ints) -> None:
        """Take note of what rules closed inside this bar."""
        flat = sids[self._portfolio.quantity[sids] == 0]
        self._closed_inside.update(flat.tolist())

    def drop(self, sid: int, reason: str) -> None:
        """Cancel the queued exit and the target of an asset that is gone."""
        if sid in self._exits:
            tag = self._exits.pop(sid)[0]
            self._ledger.created_t = self._left_t
            self._ledger.end(_unsized(np.array([sid]), (tag,)), OrderStatus.CANCELLED, reason)
        if self._targets is not None and sid in self._targets.sids:
            self._ledger.created_t = self._targets_t
            stays = self._targets.sids != sid
            self._targets = self._targets.where(stays)
            if self._target_quantity is not None:
                self._target_quantity = self._target_quantity[stays]
            self._end(np.array([sid]), OrderStatus.CANCELLED, reason)

    def rename(self, old: int, new: int) -> None:
        """Move what is queued to the asset that the old one became."""
        if old in self._exits:
            both = (self._exits.pop(old), self._exits.get(new, ("", 0.0)))
            self._exits[new] = max(both, key=lambda one: one[1])
        if self._targets is not None and old in self._targets.sids:
            self._rename_target(self._targets, old, new)
        self._untouched = np.where(self._untouched == old, new, self._untouched)

    def _rename_target(self, targets: Selection, old: int, new: int) -> None:
        """Move a target to the new name; where both have one, they add up."""
        sids, weights = np.where(targets.sids == old, new, targets.sids), targets.weights.copy()
        stays = np.ones(len(sids), dtype=bool)
        both = np.flatnonzero(sids == new).tolist()
        if len(both) == 2:
            weights[both[0]] += weights[both[1]]
            stays[both[1]] = False
            if self._target_quantity is not None:
                self._target_quantity[both[0]] += self._target_quantity[both[1]]
                self._target_quantity = self._target_quantity[stays]
        self._targets = replace(targets, sids=sids, weights=weights).where(stays)

    def split(self, sid: int, ratio: float) -> None:
        """Restate targets that are shares already."""
        if self._targets is not None and self._target_quantity is not None:
            restated = self._target_quantity * ratio
            if not self._executor.policy.rounds_change:
                restated = self._executor.whole(self._targets.sids, restated)
            self._target_quantity = np.where(
                self._targets.sids == sid, restated, self._target_quantity
            )

    def expire(self) -> None:
        """End what is still queued after the last bar."""
        tags = tuple(tag for _, (tag, _) in sorted(self._exits.items()))
        sids = np.array(sorted(self._exits), dtype=np.int64)
        self._ledger.created_t = self._left_t
        self._ledger.end(_unsized(sids, tags), OrderStatus.EXPIRED, END_OF_DATA)
        self._ledger.created_t = self._targets_t
        if self._targets is not None:
            wanted = np.setdiff1d(np.union1d(self._portfolio.held, self._targets.sids), sids)
            tags = (REBALANCE,) * len(wanted)
            self._ledger.end(_unsized(wanted, tags), OrderStatus.EXPIRED, END_OF_DATA)

    # -- filling ----------------------------------------------------------------------

    def leave(self, batch: Batch) -> None:
        """Fill the exits that rules asked for: always at the next open."""
        self._left_t, self._leaving = batch.t, dict(self._exits)
        self._closed = {}
        self._closed_inside.clear()
        # Asked for at the last close, or inside its bar.
        self._ledger.created_t = batch.t - 1
        if self._exits:
            # Taken before the exits: the base of every target weight.
            self._equity = self._portfolio.equity_at(batch.open)
            self._before = self._portfolio.held
            self._exits = {}
            self._leave(batch, batch.open, self._leaving)

    def fill(
        self, batch: Batch, prices: Floats, *, at_open: bool, kinds: Kinds = (OrderType.MARKET,)
    ) -> None:
        """Fill what the strategy ordered, at `prices` (by `sid`, NaN: the asset cannot trade).

        Parameters
        ----------
        kinds : tuple of OrderType
            Discrete orders that fill at this moment; at an open also what is left of stops.
        """
        markets = self._book.waiting(kinds, has_rests=at_open) if self._book else []
        targets, quantities = self._targets, self._target_quantity
        if targets is None and not markets:
            return
        self._targets = self._target_quantity = None
        self._ledger.created_t = self._targets_t
        leaving = self._leaving if self._left_t == batch.t else {}
        if self._executor.policy.timing.moment is Moment.DECISION:
            leaving = self._exits
        elif not at_open:
            # Decided before a rule closed it in this bar.
            leaving = {**leaving, **dict.fromkeys(self._closed_inside, (REBALANCE, 1.0))}
        # Taken once, before any fill of this moment: the base of every target weight.
        is_taken = at_open and bool(leaving)
        equity = self._equity if is_taken else self._portfolio.equity_at(prices)
        before = self._before if is_taken else self._portfolio.held
        seen = Seen.ALL if at_open else Seen.NOTHING
        sids, change = NO_SIDS, np.empty(0)
        if targets is not None:
            sids, change = self._changes(
                batch, prices, targets, before, leaving, equity, quantities
            )
            sids, change = self._submitted(batch, sids, change)
            live = self._portfolio.quantity[sids]
            reduction = np.where(live * change < 0, _toward_zero(change, live), 0.0)
            self._reduce(batch, prices, sids, reduction)
            change = change - reduction
        if markets and self._account.checks_submission:
            markets = self._submitted_orders(batch, markets)
        increases = self._reduce_orders(batch, prices, markets, seen)
        if len(sids):
            self._increase(batch, prices, sids, change, seen)
        self._fill_orders(batch, prices, increases, seen)

    def fill_rests(self, batch: Batch) -> None:
        """Fill at the open what is left of stops, where all else fills at another moment."""
        rests = self._book.waiting((), has_rests=True)
        increases = self._reduce_orders(batch, batch.open, rests, Seen.ALL)
        self._fill_orders(batch, batch.open, increases, Seen.ALL)

    def fill_on_close(self, batch: Batch, prices: Floats) -> None:
        """Fill market-on-close orders of earlier bars at this close."""
        orders = self._book.waiting((OrderType.MARKET_ON_CLOSE,))
        increases = self._reduce_orders(batch, prices, orders, Seen.NOTHING)
        self._fill_orders(batch, prices, increases, Seen.NOTHING)

    def _reduce_orders(
        self, batch: Batch, prices: Floats, orders: list[Order], seen: Seen
    ) -> list[Order]:
        """Fill the orders that are reductions when their turn comes; return the others."""
        others = []
        for order in orders:
            if self._closed:
                self._take_off_closed(batch.t, order)
            if not self._discrete.is_reduction(order):
                others.append(order)
            elif order.is_open:
                self._discrete.fill_market(batch, prices, order, seen)
        return others

    def _take_off_closed(self, t: int, order: Order) -> None:
        """Take off an order what an exit of a rule has closed of its position at this open.

        Two reasons to leave one position never make a short (or a long).
        """
        closed = self._closed.get(order.sid, 0.0)
        is_meant = order.is_open and not order.is_exit and order.created_t < t
        if not is_meant or closed * order.left <= 0:
            return
        taken = order.side * min(abs(closed), abs(order.left))
        self._closed[order.sid] = closed - taken
        if abs(order.left - taken) <= SMALLEST_CHANGE * abs(order.left):
            self._book.end(order, OrderStatus.CANCELLED, POSITION_CLOSED)
        else:
            order.quantity -= taken

    def _fill_orders(self, batch: Batch, prices: Floats, orders: list[Order], seen: Seen) -> None:
        for order in orders:
            if order.is_open:
                self._discrete.fill_market(batch, prices, order, seen)

    def _leave(self, batch: Batch, prices: Floats, exits: Exits) -> None:
        sids = np.array(sorted(exits), dtype=np.int64)
        is_gone = self._portfolio.quantity[sids] == 0
        if is_gone.any():
            tags = tuple(exits[sid][0] for sid in sids[is_gone].tolist())
            self._ledger.end(_unsized(sids[is_gone], tags), OrderStatus.CANCELLED, POSITION_CLOSED)
            sids = sids[~is_gone]
        if not len(sids):
            return
        tags = tuple(exits[sid][0] for sid in sids.tolist())
        share = np.array([exits[sid][1] for sid in sids.tolist()])
        live = self._portfolio.quantity[sids]
        quantity = -live
        if (share < 1).any():
            # Rounded up to whole lots: a reduction that was asked for is not undercut.
            lots = self._executor.lot_size[sids]
            safe = np.where(lots > 0, lots, 1.0)
            part = np.abs(live) * share
            part = np.where(lots > 0, np.ceil(part / safe - WHOLE) * safe, part)
            quantity = np.where(share < 1, -np.sign(live) * np.minimum(part, np.abs(live)), -live)
        tickets = Tickets(sids, quantity, tags)
        can = self._gate.can_trade(batch, prices, tickets)
        if not can.all():
            # A position that is to be left is left at the first open at which it trades.
            self._exits = {sid: exits[sid] for sid in sids[~can].tolist()}
            tickets = tickets.where(can)
        done = self._ledger.fill(batch, prices, tickets, why_cut="the rest follows")
        self._closed = dict(zip(tickets.sids.tolist(), done.tolist(), strict=True))
        self._book.close_orphans(self._portfolio)
        for i in np.flatnonzero(done != tickets.quantity).tolist():
            sid = int(tickets.sids[i])
            rest = abs(float(tickets.quantity[i] - done[i]))
            self._exits[sid] = (tickets.tags[i], rest / abs(float(self._portfolio.quantity[sid])))

    def _changes(
        self,
        batch: Batch,
        prices: Floats,
        targets: Selection,
        before: Ints,
        exits: Exits,
        equity: float,
        quantities: Floats | None,
    ) -> tuple[Ints, Floats]:
        """Return what target weights change, after refusing what cannot trade."""
        sids = np.union1d(before, targets.sids)
        if len(self._untouched):
            targets = _kept(targets, self._untouched)
            sids = np.setdiff1d(sids, self._untouched)
        weights = np.zeros(len(sids))
        place = np.searchsorted(sids, targets.sids)
        weights[place] = targets.weights
        wanted = np.zeros(len(sids))
        if quantities is not None:
            wanted[place] = quantities
        if exits:
            # The exit wins: selling and buying back at one open would only pay costs. Selling
            # what a partial exit leaves is another matter.
            leaving = np.isin(sids, np.fromiter(exits, dtype=np.int64)) & (weights != 0)
            self._end(sids[leaving], OrderStatus.DENIED, "risk exit pending")
            sids, weights, wanted = sids[~leaving], weights[~leaving], wanted[~leaving]
        if np.isnan(prices[sids]).any():
            tickets = self._gate.priced(batch, prices, _unsized(sids, (REBALANCE,) * len(sids)))
            can = np.isin(sids, tickets.sids)
            sids, weights, wanted = sids[can], weights[can], wanted[can]
        unpriced = np.isnan(wanted)
        if unpriced.any():  # no close to size it by when it was decided
            self._end(sids[unpriced], OrderStatus.REJECTED, NO_BAR)
            sids, weights, wanted = sids[~unpriced], weights[~unpriced], wanted[~unpriced]
        if not self._account.can_short and (weights < 0).any():
            short = weights < 0
            self._end(sids[short], OrderStatus.REJECTED, CANNOT_SHORT)
            weights, wanted = np.where(short, 0.0, weights), np.where(short, 0.0, wanted)
        if quantities is None:
            wanted = self._sized(sids, weights, prices[sids], equity)
        live = self._portfolio.quantity[sids]
        change = wanted - live
        if self._executor.policy.rounds_change:
            change = np.where(wanted == 0, change, self._executor.whole(sids, change))
        is_real = np.abs(change) > SMALLEST_CHANGE * np.maximum(np.abs(wanted), np.abs(live))
        return sids[is_real], change[is_real]

    def _submitted(self, batch: Batch, sids: Ints, change: Floats) -> tuple[Ints, Floats]:
        """Return the changes that fit at their decision, where the account looks at that."""
        if not self._account.checks_submission or not len(sids):
            return sids, change
        fits = fitting_changes(self._executor, batch, sids, change)
        refused = _rebalancing(sids[~fits], change[~fits])
        self._ledger.end(refused, OrderStatus.REJECTED, self._account.lacks)
        return sids[fits], change[fits]

    def _submitted_orders(self, batch: Batch, orders: list[Order]) -> list[Order]:
        fitting = fitting_orders(self._executor, batch, orders)
        for order in orders:
            if order not in fitting:
                self._book.end(order, OrderStatus.REJECTED, self._account.lacks)
        return fitting

    def _sized(self, sids: Ints, weights: Floats, price: Floats, equity: float) -> Floats:
        # An account whose equity is gone wants nothing, long or short.
        unit = price * self._executor.terms.multiplier[sids]
        wanted: Floats = weights * max(equity, 0.0) / unit
        is_whole = self._executor.policy.rounds_change
        return wanted if is_whole else self._executor.whole(sids, wanted)

    def _reduce(self, batch: Batch, prices: Floats, sids: Ints, quantity: Floats) -> None:
        tickets = self._gate.unlocked(batch, _rebalancing(sids, quantity))
        self._ledger.fill(batch, prices, tickets)
        # At once: what is bought back at this very moment is another position.
        self._book.close_orphans(self._portfolio)

    def _increase(
        self, batch: Batch, prices: Floats, sids: Ints, quantity: Floats, seen: Seen
    ) -> None:
        """Open and add within what the account can carry, costs reserved."""
        tickets = self._gate.unlocked(batch, _rebalancing(sids, quantity))
        if self._account.can_short:
            tickets = self._gate.borrowable(tickets)
        if not len(tickets):
            return
        # The bar's volume first: what cannot trade needs no cash.
        asked = tickets.quantity
        capped = self._executor.within_volume(tickets.sids, asked)
        fitted = fit(
            self._account, self._executor, batch, prices, tickets.sids, capped,
            self._executor.settlement.unsettled(batch.t),
        )  # fmt: skip
        if fitted is asked:  # neither volume nor account cut anything
            self._ledger.fill(batch, prices, tickets, seen=seen)
            return
        fits = (np.abs(fitted) > SMALLEST_SHARE * np.abs(capped)) | (capped == 0)
        self._ledger.end(tickets.where(~fits), OrderStatus.REJECTED, self._account.lacks)
        self._ledger.fill(
            batch, prices, replace(tickets, quantity=fitted).where(fits), asked=asked[fits],
            is_capped=(capped != asked)[fits], why_scaled=f"cut: {self._account.lacks}", seen=seen,
        )  # fmt: skip

    def _end(self, sids: Ints, status: OrderStatus, reason: str) -> None:
        """Record targets that were never sized."""
        self._ledger.end(_unsized(sids, (REBALANCE,) * len(sids)), status, reason)


def _rebalancing(sids: Ints, quantity: Floats) -> Tickets:
    """Return the tickets of changes that are not zero."""
    return Tickets(sids, quantity, (REBALANCE,) * len(sids)).where(quantity != 0)


def _unsized(sids: Ints, tags: tuple[str, ...]) -> Tickets:
    return Tickets(sids, np.full(len(sids), np.nan), tags)


def _kept(targets: Selection, untouched: Ints) -> Selection:
    """Return the targets of what may be traded."""
    return targets.where(~np.isin(targets.sids, untouched))


def _toward_zero(change: Floats, live: Floats) -> Floats:
    """Return the part of a change that only reduces a position."""
    return np.sign(change) * np.minimum(np.abs(change), np.abs(live))
