"""Discrete orders at the moment of their fill: what of an order fits, and its booking."""

from __future__ import annotations

import math

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats
from ml4t.backtest.core.orders import OrderStatus, TimeInForce
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.execution.account.buying_power import fit
from ml4t.backtest.execution.account.rules import Account, Shortfall
from ml4t.backtest.execution.account.submission import fitting_orders
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import IMMEDIATE, OrderBook
from ml4t.backtest.execution.orders.ending import why_cut
from ml4t.backtest.execution.orders.order import Order, amend
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.tradability import MIN_HOLDING, NO_BORROW, Tradability
from ml4t.backtest.portfolio.water_marks import Seen

CANNOT_SHORT = "cash account cannot short"
CUT_TO_HELD = "cut to what is held"
WAITED = f"{MIN_HOLDING}: it waited"


class OrderFiller:
    """Fills single orders one at a time.

    Parameters
    ----------
    executor : Executor
    book : OrderBook
        Told of every fill and end.
    account : Account
    tradability : Tradability
    post_trade : PostTrade
        Told of every fill, before the book is.
    """

    def __init__(
        self,
        executor: Executor,
        book: OrderBook,
        account: Account,
        tradability: Tradability,
        post_trade: PostTrade,
    ) -> None:
        self._executor, self._portfolio, self._book = executor, executor.portfolio, book
        self._account, self._tradability, self._post_trade = account, tradability, post_trade

    def is_reduction(self, order: Order) -> bool:
        """Whether an order only closes what is held; without short sales no more can fill."""
        live = float(self._portfolio.quantity[order.sid])
        is_within = order.is_exit or not beyond(order.left, live)
        return live * order.left < 0 and (is_within or not self._account.can_short)

    def fill_market(self, batch: Batch, prices: Floats, order: Order, seen: Seen) -> None:
        """Fill an order at its moment; a market order that cannot, and may not wait, ends."""
        reason = self._tradability.why_not(batch, prices, order.sid, order.side)
        if reason:
            self._wait(order, reason)
            return
        quantity = self.cut_to_held(order)
        self.fill(batch, prices, order, quantity, limit=order.limit, seen=seen)
        if order.is_open and self._executor.is_held_back(order.sid, order.side):
            self._wait(order, MIN_HOLDING)
        if order.time_in_force is TimeInForce.IOC:
            self._book.end(order, OrderStatus.CANCELLED, IMMEDIATE)

    def _wait(self, order: Order, reason: str) -> None:
        """Let an order that cannot fill now wait, or end it where it may not."""
        # A limit ends unfilled with its time, whatever the reason.
        may_wait = order.limit is not None
        if not may_wait and order.time_in_force in (TimeInForce.DAY, TimeInForce.IOC):
            self._book.end(order, OrderStatus.REJECTED, reason)
        elif reason is MIN_HOLDING:
            amend(order, reason=WAITED)

    def submitted(self, batch: Batch, orders: list[Order]) -> list[Order]:
        """Return the orders that fit at their decision, where the account looks at that."""
        if not self._account.checks_submission:
            return orders
        fitting = fitting_orders(self._executor, batch, orders)
        for order in orders:
            if order not in fitting:
                self._book.end(order, OrderStatus.REJECTED, self._account.lacks)
        return fitting

    def fit_fractions(self, batch: Batch, prices: Floats, orders: list[Order]) -> None:
        """Cut fractions that open or add at one moment by one factor, so that each of them fits.

        In turn, the last of four quarters would be left with what a gap has left. Of one asset
        there may be several, a short of 0.3 and what turns it into 0.5: they need what is held
        between them and at the end, not the sum of both.
        """
        for one in orders:
            if one.fitting != math.inf:  # hot: of most orders it is
                amend(one, fitting=math.inf)
        together = [one for one in orders if self._is_cut_together(batch, prices, one)]
        if len(together) < 2 or self._account.shortfall is not Shortfall.SCALE:
            return
        sids = np.array([one.sid for one in together])
        left = np.array([one.side * min(abs(one.left), one.opening) for one in together])
        asked = self._executor.in_turn_within_volume(sids, left)
        fits = fit(
            self._account, self._executor, batch, prices, sids, asked,
            self._executor.settlement.unsettled(batch.t), one_by_one=True,
        ).quantity  # fmt: skip
        for one, most, fitting in zip(together, asked.tolist(), fits.tolist(), strict=True):
            if fitting != most:
                amend(one, fitting=abs(fitting))

    def _is_cut_together(self, batch: Batch, prices: Floats, order: Order) -> bool:
        """Whether an order is a fraction that can do nothing but open or add now."""
        live = float(self._portfolio.quantity[order.sid])
        is_adding = order.is_open and order.is_fraction and live * order.left >= 0
        if (
            not is_adding
            or order.is_exit
            or self._tradability.why_not(batch, prices, order.sid, order.side)
        ):
            return False
        if order.left > 0:
            return True
        opening = (np.array([order.sid]), np.array([order.left]))
        return self._account.can_short and bool(self._tradability.can_borrow(*opening)[0])

    def cut_to_opening(self, order: Order) -> None:
        """Cut what was to turn a position over to what it still closes, and was to open."""
        live = float(self._portfolio.quantity[order.sid])
        most = order.opening + (abs(live) if live * order.side < 0 else 0.0)
        if not order.is_exit and abs(order.left) > most * (1 + DUST):
            quantity = order.filled_quantity + order.side * most
            amend(order, quantity=quantity, reason=CUT_TO_HELD)

    def cut_to_held(self, order: Order) -> float:
        """Return what is left of an order; of an exit no more than it can close."""
        if not order.is_exit:
            return order.left
        return order.side * min(abs(order.left), abs(float(self._portfolio.quantity[order.sid])))

    def fill(
        self,
        batch: Batch,
        prices: Floats,
        order: Order,
        quantity: float,
        *,
        limit: float | None = None,
        seen: Seen = Seen.ALL,
    ) -> float:
        """Fill an order as far as account and volume go; return what was filled.

        Parameters
        ----------
        prices : float array, by sid
            Where positions are valued; at the order's asset the base price of the fill.
        quantity : float
            Of what is left, the part that may fill now.
        limit : float, optional
            Never filled worse than this.
        """
        sids, live = np.array([order.sid]), float(self._portfolio.quantity[order.sid])
        asked = quantity
        if not self._account.can_short and live + quantity < 0:
            if live <= 0:
                self._book.end(order, OrderStatus.REJECTED, CANNOT_SHORT)
                return 0.0
            asked = -live
        quantity = float(self._executor.fillable(sids, np.array([asked])).quantity[0])
        if not quantity:
            return 0.0
        fits = self.fitted(batch, prices, order, quantity, limit)
        if isinstance(fits, str):
            closed = 0.0
            if live * quantity < 0 and (self._account.is_margin or fits == NO_BORROW):
                # What closes needs neither margin nor shares; what is beyond zero is refused.
                closed = -live
                self._book_fill(batch, prices, order, closed, limit, seen, is_done=False)
            self._book.end(order, OrderStatus.REJECTED, fits)
            return closed
        is_done = order.is_exit and quantity == -live
        if is_done and fits != order.left:
            amend(order, reason=CUT_TO_HELD)
        elif fits != quantity:
            is_done = True
            done = order.filled_quantity + fits
            amend(order, reason=why_cut(order.quantity, done, self._account.lacks))
        self._book_fill(batch, prices, order, fits, limit, seen, is_done=is_done)
        if asked == -live == fits and order.is_open and not self._account.can_short:
            # What was held is sold, the rest is refused.
            self._book.end(order, OrderStatus.REJECTED, CANNOT_SHORT)
        return fits

    def fitted(
        self,
        batch: Batch,
        prices: Floats,
        order: Order,
        quantity: float,
        limit: float | None = None,
    ) -> float | str:
        """Return how much of an order the account carries, or why it carries none of it."""
        sid, live = order.sid, float(self._portfolio.quantity[order.sid])
        opening = opened(quantity, live)
        is_cover = self._account.can_short and live < 0 and not self._account.is_margin
        is_free = not (is_cover and self._account.shortfall is Shortfall.IN_TURN)
        if abs(quantity) > order.fitting and (opening or not is_free):
            if not order.fitting:
                return self._account.lacks
            quantity = math.copysign(order.fitting, quantity)
            opening = opened(quantity, live)
        if opening == 0 and is_free:
            return quantity
        if opening < 0 and not self._account.can_short:
            return CANNOT_SHORT
        sids = np.array([sid])
        if opening and not self._tradability.can_borrow(sids, np.array([opening]))[0]:
            return NO_BORROW
        own = self._account.shortfall
        if own is Shortfall.SCALE:
            own = Shortfall.IN_TURN if order.is_fraction else Shortfall.REJECT
        fits = fit(
            self._account, self._executor, batch, prices, sids, np.array([quantity]),
            self._executor.settlement.unsettled(batch.t), limit=limit, shortfall=own,
        ).quantity  # fmt: skip
        return float(fits[0]) if fits[0] else self._account.lacks

    def _book_fill(
        self,
        batch: Batch,
        prices: Floats,
        order: Order,
        quantity: float,
        limit: float | None,
        seen: Seen,
        *,
        is_done: bool,
    ) -> None:
        base, live = float(prices[order.sid]), float(self._portfolio.quantity[order.sid])
        booked = self._executor.fill(
            batch,
            np.array([order.order_id]),
            np.array([order.sid]),
            np.array([quantity]),
            np.array([base]),
            order.tag,
            limit=None if limit is None else np.array([limit]),
            # What fills in the closing auction has not rested in the book.
            is_maker=limit is not None and base == limit and order.order_type.acts_inside,
            seen=seen,
        )
        self._post_trade.process(booked)
        opening = opened(quantity, live)
        if opening and self._account.is_margin:
            self._executor.bought.setdefault(order.sid, []).append((opening, base))
        self._book.filled(order, quantity, batch.t, opened=opening, is_done=is_done, price=base)
        self._book.close_exits(order.sid, float(self._portfolio.quantity[order.sid]))


def opened(quantity: float, live: float) -> float:
    """Return the part of an order that opens or adds, signed like the order."""
    return quantity if live * quantity >= 0 else beyond(quantity, live)


def beyond(quantity: float, live: float) -> float:
    """Return the part of an order that goes through zero, signed like the order."""
    rest = abs(quantity) - abs(live)
    return float(np.sign(quantity)) * rest if rest > DUST * abs(live) else 0.0
