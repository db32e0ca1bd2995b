"""OrderBook: single orders that have not ended, and how each of them ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.orders import Ended, OrderStatus, TimeInForce
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.execution.orders.ending import done_as, ends_as
from ml4t.backtest.execution.orders.order import Chance, Order, amend, split, used_up
from ml4t.backtest.portfolio.portfolio import Portfolio

DELISTED, RENAMED, EXPIRED = "delisted", "renamed", "expired"
GOOD_TILL = "good till date"
ONE_CANCELS_OTHER = "one cancels other"
IMMEDIATE = "immediate or cancel"
BY_STRATEGY = "cancelled by the strategy"
WENT_EX = "a dividend above its price"
POSITION_CLOSED = "position closed"


class OrderBook:
    """Open orders by asset.

    Parameters
    ----------
    journal : Journal
        Told of every end.
    sessions : int array
        Date of each bar, as days since 1970.
    whole : callable
        Cuts quantities by asset to whole lots, as `Executor.whole` does.
    """

    def __init__(
        self, journal: Journal, sessions: Ints, whole: Callable[[Ints, Floats], Floats]
    ) -> None:
        self._journal, self._sessions, self._whole = journal, sessions, whole
        self._orders: dict[int, list[Order]] = {}
        self._gone: dict[int, str] = {}  # assets that trade no more, and why

    def __bool__(self) -> bool:
        return bool(self._orders)

    def add(self, order: Order) -> None:
        """Take an order in."""
        self._orders.setdefault(order.sid, []).append(order)

    def sids(self) -> list[int]:
        """Return the assets with open orders, ascending."""
        return sorted(self._orders)

    def of(self, sid: int) -> list[Order]:
        """Return the open orders of one asset, oldest first."""
        return [order for order in self._orders.get(sid, ()) if order.is_open]

    def all(self) -> list[Order]:
        """Return every open order by number."""
        orders = [order for sid in self._orders for order in self.of(sid)]
        return sorted(orders, key=lambda order: order.order_id)

    def waiting(self, *chances: Chance, has_rests: bool = False) -> list[Order]:
        """Return the living orders that have their chance at a moment, by number.

        `has_rests` adds the stops that were met before and could not fill whole: they are market
        orders by now.
        """
        return [
            order
            for order in self.all()
            if order.is_alive
            and (
                order.order_type.chance in chances
                or (has_rests and order.is_triggered and order.limit is None)
            )
        ]

    # -- what happens to orders -------------------------------------------------------

    def filled(
        self, order: Order, quantity: float, t: int, *, opened: float, is_done: bool, price: float
    ) -> None:
        """Note a fill: the order may be done, its children come alive, its group shrinks.

        `opened` is the part of `quantity` that its children protect, `price` where they start.
        """
        amend(order, filled_quantity=order.filled_quantity + quantity)
        if abs(order.left) <= DUST * abs(order.quantity):
            amend(order, filled_quantity=order.quantity)
            is_done = True
        if opened and order.children and not any(child.is_open for child in order.children):
            self._renew(order)
        for child in order.children:
            if child.is_open and opened:
                started = child.live_t >= 0
                amend(child, quantity=(child.quantity if started else 0.0) - opened)
                if not started:
                    amend(child, live_t=t)
                    child.order_type.start(child, price)
        if is_done:
            self.end(order, OrderStatus.FILLED, order.reason)
        for other in order.group:
            if other is not order and other.is_open:
                left = 0.0
                if not is_done and abs(other.left) > abs(quantity) * (1 + DUST):
                    rest = np.array([other.left - other.side * abs(quantity)])
                    # A leg in another asset may have larger lots than what has filled here.
                    left = float(self._whole(np.array([other.sid]), rest)[0])
                if left:
                    amend(other, quantity=other.filled_quantity + left)
                else:
                    self.end(other, OrderStatus.CANCELLED, ONE_CANCELS_OTHER)

    def _renew(self, parent: Order) -> None:
        """Give an order that fills again the exits that its first part has used up."""
        spent = [child for child in parent.children if child.reason not in (BY_STRATEGY, WENT_EX)]
        children = tuple(
            replace(
                child, order_id=int(self._journal.new_ids(1)[0]), status=OrderStatus.OPEN,
                filled_quantity=0.0, reason="", is_triggered=False, live_t=-1, group=(),
            )
            for child in spent
        )  # fmt: skip
        amend(parent, children=children)
        for child in children:
            amend(child, group=children if len(children) > 1 else ())
            self.add(child)

    def end(self, order: Order, status: OrderStatus, reason: str) -> None:
        """End an order and those that only live through it, and record them.

        `status` is that of what is left of it: an order that was done in part ends as such.
        """
        if not order.is_open:
            return
        amend(order, status=ends_as(status, order), reason=reason)
        self._journal.record(_ended(order))
        orders = self._orders[order.sid]
        orders.remove(order)
        if not orders:
            del self._orders[order.sid]
        for child in order.children:
            if child.live_t < 0:
                self.end(child, OrderStatus.CANCELLED, f"its parent was {done_as(order)}")

    def drop(self, sid: int, reason: str) -> None:
        """Cancel every order of an asset."""
        for order in self.of(sid):
            self.end(order, OrderStatus.CANCELLED, reason)

    def delist(self, sid: int, reason: str) -> None:
        """Cancel every order of an asset that trades no more, and take no more of them."""
        self.drop(sid, reason)
        self._gone[sid] = reason

    def split(self, sid: int, ratio: float) -> None:
        """Restate the orders of an asset after a split of `ratio` new shares per old one."""
        for order in self.of(sid):
            for one in (order, *used_up(order)):
                split(one, ratio)

    def rename(self, old: int, new: int) -> None:
        """Move orders to the asset that the old one became; they keep the name they had."""
        for order in self._orders.pop(old, []):
            for one in (order, *used_up(order)):
                amend(one, sid=new)
            self.add(order)
        self._gone[old] = RENAMED

    def start_bar(self, batch: Batch) -> None:
        """End what a fact forbids that is known by now: a date that is past, an asset that ended.

        That an asset has no more bars is none: a halt looks alike until it ends.
        """
        today = int(self._sessions[batch.t])
        for order in self.all():
            if order.good_till is not None and order.good_till < today:
                self.end(order, OrderStatus.EXPIRED, GOOD_TILL)
            elif order.sid in self._gone and np.isnan(batch.close[order.sid]):
                self.end(order, OrderStatus.REJECTED, self._gone[order.sid])

    def end_bar(self, batch: Batch, *, fills_decided: bool) -> None:
        """End what this bar was the last for, and let the others follow its range.

        Before anything is decided at its close. `fills_decided` says that timed orders have a
        chance after that, see `end_decided`.
        """
        for order in self.all():
            if fills_decided and order.order_type.chance is Chance.TIMED:
                continue
            if order.is_alive and batch.high is not None and batch.low is not None:
                high, low = float(batch.high[order.sid]), float(batch.low[order.sid])
                if high == high:
                    order.order_type.follow(order, high, low)
            self._end_over(order, batch.t)

    def end_decided(self, t: int) -> None:
        """End timed orders that had their chance after the decision."""
        for order in self.waiting(Chance.TIMED):
            self._end_over(order, t)

    def end_immediate(self, sid: int) -> None:
        """End what had its only chance at the open of this bar."""
        for order in self.of(sid):
            is_immediate = order.time_in_force is TimeInForce.IOC
            if is_immediate and order.order_type.acts_inside and order.is_alive:
                self.end(order, OrderStatus.CANCELLED, IMMEDIATE)

    def end_late(self, order: Order) -> None:
        """End an order that is good till a session that is over when it is sent."""
        if self._is_past(order, order.created_t):
            self.end(order, OrderStatus.EXPIRED, GOOD_TILL)

    def _is_past(self, order: Order, t: int) -> bool:
        """Whether the last session of an order is over with bar `t`."""
        if order.good_till is None:
            return False
        today = int(self._sessions[t])
        return order.good_till < today + (1 if self._ends_session(t) else 0)

    def _ends_session(self, t: int) -> bool:
        """Whether a bar is the last of its session: a calendar knows that beforehand.

        Which session follows is not asked: there may be none on the days before a date.
        """
        return t + 1 == len(self._sessions) or bool(self._sessions[t + 1] > self._sessions[t])

    def _end_over(self, order: Order, t: int) -> None:
        """End an order whose time ends with this bar."""
        if self._is_past(order, t):
            self.end(order, OrderStatus.EXPIRED, GOOD_TILL)
        elif order.time_in_force is TimeInForce.IOC and order.is_alive:
            self.end(order, OrderStatus.CANCELLED, IMMEDIATE)
        elif order.time_in_force is TimeInForce.DAY and self._ends_session(t):
            self.end(order, OrderStatus.EXPIRED, "end of day")

    def close_orphans(self, portfolio: Portfolio) -> None:
        """Cancel the exits of all positions that are gone."""
        for sid in self.sids() if self._orders else ():
            self.close_exits(sid, float(portfolio.quantity[sid]))

    def close_exits(self, sid: int, live: float) -> None:
        """Cancel exits that have nothing left to close."""
        for order in self.of(sid):
            if order.is_exit and order.is_alive and live * order.left >= 0:
                self.end(order, OrderStatus.CANCELLED, POSITION_CLOSED)


def _ended(order: Order) -> Ended:
    def price(value: float | None) -> Floats:
        return np.array([np.nan if value is None else value])

    return Ended(
        ids=np.array([order.order_id]),
        created_t=order.created_t,
        sids=np.array([order.sid]),
        quantity=np.array([order.quantity]),
        filled=np.array([order.filled_quantity]),
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        status=order.status,
        reason=order.reason,
        tag=(order.tag,),
        limit=price(order.limit),
        stop=price(order.stop_level()),
        parent=np.array([-1 if order.parent is None else order.parent.order_id]),
    )
