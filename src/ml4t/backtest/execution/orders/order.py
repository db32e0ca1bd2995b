"""Order: one single order, from its request to its end. Strategies hold on to these.

They read it; the engine alone writes, by the functions below the class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np

from ml4t.backtest.core.orders import OrderStatus, OrderType, TimeInForce
from ml4t.backtest.execution.orders.read_only import sealed
from ml4t.backtest.execution.orders.ticks import on_ticks

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


WAYS = {
    "quantity": "call replace(order, quantity=...)",
    "limit": "call replace(order, limit=...)",
    "stop": "call replace(order, stop=...)",
    "status": "call cancel(order) to end it",
    "group": "call one_cancels_other(...)",
}
OTHERWISE = "call cancel(order) and send a new one"


@sealed(WAYS, OTHERWISE)
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """An order of a strategy; what the broker makes of it is shown by it. Read only.

    Attributes
    ----------
    order_id, sid, created_t : int
    asset : object
        The asset's id, as the user spells it.
    quantity : float
        Shares, positive buys, negative sells.
    order_type : OrderType
    limit, stop : float or None
        Prices per share. A stop-limit has both.
    trail_amount, trail_fraction : float or None
        Distance of a trailing stop from the best price: price units, or a fraction of it.
    time_in_force : TimeInForce
    good_till : int or None
        Last session (days since 1970) of a GTD order.
    tag : str
        The trades that it closes show it as their `exit_rule`.
    parent : Order or None
        Alive only once this one has filled.
    children : tuple of Order
        The exits of its bracket, alive once it has filled.
    group : tuple of Order
        One cancels the others; all of them have the same.
    is_exit : bool
        Cut to what is held when it fills, so that it never opens anything.
    opening : float
        Shares, without sign, beyond the position that it met when it was sent: whatever closes
        that position before it fills, it opens no more. Infinite where it met none.
    is_fraction : bool
        It says a fraction of equity: what the account cannot carry of it is cut off, as target
        weights are cut. An order of shares fills whole or not at all.
    status : OrderStatus
    filled_quantity : float
        Shares done, signed.
    reason : str
        Why it ended so.
    """

    order_id: int
    sid: int
    asset: object
    quantity: float
    order_type: OrderType
    created_t: int
    limit: float | None = None
    stop: float | None = None
    trail_amount: float | None = None
    trail_fraction: float | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till: int | None = None
    tag: str = ""
    parent: Order | None = None
    children: tuple[Order, ...] = ()
    group: tuple[Order, ...] = ()
    is_exit: bool = False
    opening: float = math.inf
    is_fraction: bool = False
    status: OrderStatus = OrderStatus.OPEN
    filled_quantity: float = 0.0
    reason: str = ""
    # The broker's own notes.
    fitting: float = math.inf  # |shares| of a fraction that fit beside those of its moment
    tick: float = 0.0  # of the asset; 0: any price
    best_price: float | None = None  # of a trailing stop, since it came alive
    is_triggered: bool = False  # a stop whose level was touched, a limit or market order now
    live_t: int = -1  # bar at which a child came alive, or a stop-limit was triggered

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status is OrderStatus.OPEN

    @property
    def left(self) -> float:
        """Shares still to do, signed."""
        return self.quantity - self.filled_quantity

    @property
    def side(self) -> float:
        """+1 buys, -1 sells."""
        return 1.0 if self.quantity > 0 else -1.0

    @property
    def is_alive(self) -> bool:
        """Whether it can fill now: open, and its parent, if any, has filled."""
        return self.is_open and (self.parent is None or self.live_t >= 0)

    @property
    def has_prices(self) -> bool:
        """Whether every price that it has is above 0."""
        prices = (self.limit, self.stop, self.best_price)
        return all(price is None or price > 0 for price in prices)

    def stop_level(self) -> float | None:
        """Return the price at which it triggers, from what was known before this bar."""
        if self.best_price is None:
            return self.stop
        if self.trail_fraction is not None:
            level = self.best_price * (1 + self.side * self.trail_fraction)
        else:
            level = self.best_price + self.side * (self.trail_amount or 0.0)
        if not self.tick:
            return level
        # A stop rounds away from the market, as where its price is given.
        return float(on_ticks(np.array([level]), np.array([self.tick]), np.array([self.side]))[0])


class Changes(TypedDict, total=False):
    """What the engine writes into an order after it was made."""

    sid: int
    quantity: float
    limit: float | None
    stop: float | None
    trail_amount: float | None
    children: tuple[Order, ...]
    group: tuple[Order, ...]
    is_exit: bool
    opening: float
    is_fraction: bool
    status: OrderStatus
    filled_quantity: float
    reason: str
    fitting: float
    tick: float
    best_price: float | None
    is_triggered: bool
    live_t: int


def amend(order: Order, **changes: Unpack[Changes]) -> None:
    """Write into an order: for broker, order book and desks, the only ones that may."""
    for name, value in changes.items():
        object.__setattr__(order, name, value)


def ratchet(order: Order, high: float, low: float) -> None:
    """Move the best price of a trailing stop after its bar's check."""
    best = order.best_price
    if best is not None:
        amend(order, best_price=min(best, low) if order.quantity > 0 else max(best, high))


def used_up(order: Order) -> list[Order]:
    """Return the exits of an order that have ended.

    The next fill of the order renews them, so that what happens to its asset happens to them.
    """
    return [child for child in order.children if not child.is_open]


def go_ex(order: Order, value: float) -> None:
    """Take a dividend off the prices of an order.

    As FINRA rule 5330 has it: off those of buys, and of sells that wait for their stop. Buys
    that wait for theirs, and limits to sell, stay.
    """
    # An exit of a bracket waits for its stop again when it is renewed.
    is_met = order.is_triggered and order.parent is None
    waits = not is_met and order.order_type in STOPS
    if (order.quantity > 0) == waits:
        return
    for name in ("limit", "stop", "best_price") if waits else ("limit",):
        price = getattr(order, name)
        if price is not None:
            object.__setattr__(order, name, price - value)


def split(order: Order, ratio: float) -> None:
    """Restate what is left and the prices after a split of `ratio` new shares per old one.

    What has filled stays as it was: its fills are history.
    """
    amend(
        order,
        quantity=order.filled_quantity + order.left * ratio,
        opening=order.opening * ratio,
    )
    for name in ("limit", "stop", "trail_amount", "best_price"):
        value = getattr(order, name)
        if value is not None:
            object.__setattr__(order, name, value / ratio)
