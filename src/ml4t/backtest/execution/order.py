"""Order: one discrete order, from its request to its end. Strategies hold on to these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ml4t.backtest.core.orders import OrderStatus, OrderType, TimeInForce
from ml4t.backtest.execution.ticks import on_ticks

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """An order of a strategy; what the broker makes of it is written into it.

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
    group : list of Order
        One cancels the others; shared by all of them.
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
    children: list[Order] = field(default_factory=list)
    group: list[Order] = field(default_factory=list)
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

    def ratchet(self, high: float, low: float) -> None:
        """Move the best price of a trailing stop after its bar's check."""
        if self.best_price is not None:
            best = min(self.best_price, low) if self.quantity > 0 else max(self.best_price, high)
            self.best_price = best

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

    def go_ex(self, value: float) -> None:
        """Take a dividend off its prices.

        As FINRA rule 5330 has it: off those of buys, and of sells that wait for their stop. Buys
        that wait for theirs, and limits to sell, stay.
        """
        waits = not self.is_triggered and self.order_type in STOPS
        if (self.quantity > 0) == waits:
            return
        for name in ("limit", "stop", "best_price") if waits else ("limit",):
            price = getattr(self, name)
            if price is not None:
                setattr(self, name, price - value)

    def split(self, ratio: float) -> None:
        """Restate what is left and the prices after a split of `ratio` new shares per old one.

        What has filled stays as it was: its fills are history.
        """
        self.quantity = self.filled_quantity + self.left * ratio
        self.opening *= ratio
        for name in ("limit", "stop", "trail_amount", "best_price"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value / ratio)
