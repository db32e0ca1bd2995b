"""PendingFiller: fills what waits, at one price of a bar.

The order is fixed: exits of rules; then what reduces positions (target weights, then single
orders by number); then what increases them, in the same order. So cash and margin are free
before they are asked for.
"""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.sids import NO_SIDS
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import OrderBook
from ml4t.backtest.execution.orders.order import Chance, Order
from ml4t.backtest.execution.pending.changes import PendingChanges
from ml4t.backtest.execution.pending.exits import ExitFiller
from ml4t.backtest.execution.pending.order_filler import OrderFiller
from ml4t.backtest.execution.pending.rebalance import Rebalance
from ml4t.backtest.execution.pending.rebalancer import Rebalancer
from ml4t.backtest.portfolio.water_marks import Seen

Chances = tuple[Chance, ...]


class PendingFiller:
    """Fills target weights and single orders, after the exits of rules.

    Parameters
    ----------
    executor : Executor
    pending : PendingChanges
        Holds target weights and exits.
    exits : ExitFiller
    rebalancer : Rebalancer
    book : OrderBook
        Holds the single orders.
    order_filler : OrderFiller
    """

    def __init__(
        self,
        executor: Executor,
        pending: PendingChanges,
        exits: ExitFiller,
        rebalancer: Rebalancer,
        book: OrderBook,
        order_filler: OrderFiller,
    ) -> None:
        self._portfolio, self._timing = executor.portfolio, executor.policy.timing
        self._pending, self._exits, self._rebalancer = pending, exits, rebalancer
        self._book, self._order_filler = book, order_filler

    def fill(
        self,
        batch: Batch,
        prices: Floats,
        *,
        at_open: bool,
        chances: Chances = (Chance.TIMED,),
    ) -> None:
        """Fill what the strategy ordered, at `prices` (by `sid`, NaN: the asset cannot trade).

        Parameters
        ----------
        chances : tuple of Chance
            Of the single orders that fill at this moment; at an open also what is left of stops.
        """
        markets = self._due(prices, *chances, has_rests=at_open) if self._book else []
        rebalance = self._pending.take_rebalance()
        if rebalance is None and not markets:
            return
        seen = Seen.ALL if at_open else Seen.NOTHING
        sids, change = NO_SIDS, np.empty(0)
        if rebalance is not None:
            sids, change = self._changes(batch, prices, rebalance, at_open=at_open)
            if not markets and self._rebalancer.change(batch, prices, sids, change, seen):
                return
            sids, change = self._rebalancer.reduce(batch, prices, sids, change)
        if markets:
            markets = self._order_filler.submitted(batch, markets)
        increases = self._reduce_orders(batch, prices, markets, seen)
        if len(sids):
            self._rebalancer.increase(batch, prices, sids, change, seen)
        self._fill_orders(batch, prices, increases, seen)

    def fill_rests(self, batch: Batch) -> None:
        """Fill at the open what is left of stops, where all else fills at another moment."""
        rests = self._book.waiting(has_rests=True)
        increases = self._reduce_orders(batch, batch.open, rests, Seen.ALL)
        self._fill_orders(batch, batch.open, increases, Seen.ALL)

    def fill_on_close(self, batch: Batch, prices: Floats) -> None:
        """Fill on-close orders of earlier bars at this close."""
        orders = self._due(prices, Chance.CLOSE)
        increases = self._reduce_orders(batch, prices, orders, Seen.NOTHING)
        self._fill_orders(batch, prices, increases, Seen.NOTHING)

    def _due(self, prices: Floats, *chances: Chance, has_rests: bool = False) -> list[Order]:
        """Return the orders that have their chance now, and fill at these prices."""
        waiting = self._book.waiting(*chances, has_rests=has_rests)
        return [one for one in waiting if one.order_type.fills_at(one, float(prices[one.sid]))]

    def _changes(
        self, batch: Batch, prices: Floats, rebalance: Rebalance, *, at_open: bool
    ) -> tuple[Ints, Floats]:
        """Return what target weights change, beside the exits of rules."""
        leaving = set(self._exits.exits) if self._exits.t == batch.t else set()
        if self._timing.fills_decided:
            leaving = set(self._pending.pending)
        elif not at_open:
            # Decided before a rule closed it in this bar.
            leaving |= self._pending.gone
        # Taken once, before any fill of this moment: the base of every target weight.
        is_taken = at_open and bool(leaving)
        if at_open:
            # Where levels act before the open: decided before one of them closed it.
            leaving |= self._pending.gone
        return self._rebalancer.changes(
            batch,
            prices,
            rebalance,
            before=self._exits.held if is_taken else self._portfolio.held,
            leaving=leaving,
            equity=self._exits.equity if is_taken else self._portfolio.equity_at(prices),
        )

    def _reduce_orders(
        self, batch: Batch, prices: Floats, orders: list[Order], seen: Seen
    ) -> list[Order]:
        """Fill the orders that are reductions when their turn comes; return the others."""
        others = []
        for order in orders:
            if self._pending.closed:
                self._exits.take_off(batch.t, order)
            self._order_filler.cut_to_opening(order)
            if not self._order_filler.is_reduction(order):
                others.append(order)
            elif order.is_open:
                self._order_filler.fill_market(batch, prices, order, seen)
        return others

    def _fill_orders(self, batch: Batch, prices: Floats, orders: list[Order], seen: Seen) -> None:
        self._order_filler.fit_fractions(batch, prices, orders)
        for order in orders:
            if order.is_open:
                self._order_filler.cut_to_opening(order)
                self._order_filler.fill_market(batch, prices, order, seen)
