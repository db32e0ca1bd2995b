"""OrderEntry: makes one order of what a strategy said, checks it, and hands it to the broker.

An order is made (`make`: its type, its bracket) and sent (`place`: cut to lots, asked of the
limits, submitted or refused). What it may say is in `order_terms`.
"""

from __future__ import annotations

import math

import numpy as np

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.orders import OrderStatus, TimeInForce, require_size
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.execution.broker import BarBroker
from ml4t.backtest.execution.orders.order import Order, OrderType, amend
from ml4t.backtest.execution.orders.types import LIMIT, MARKET, STOP
from ml4t.backtest.execution.pending.rebalance import BELOW_LOT
from ml4t.backtest.portfolio.portfolio import Portfolio
from ml4t.backtest.risk.limits.engine import LimitEngine
from ml4t.backtest.strategy.amounts import ORDER_TAG, is_number
from ml4t.backtest.strategy.order_terms import OrderTerms, days

# Why an order is denied that its own stop would close at once.
BEYOND = "on the wrong side of the price"  # after the name of the exit
ABOVE_MAX = "above the maximum order size"
TAKE_PROFIT, STOP_LOSS = "take_profit", "stop_loss"


class OrderEntry:
    """Makes, sends and changes the orders of one run, one at a time.

    Parameters
    ----------
    broker : BarBroker
    portfolio : Portfolio
    limits : LimitEngine
        Asked before every order.

    Attributes
    ----------
    batch : Batch or None
        The bar at whose close the next orders are decided; None before the first.
    """

    def __init__(self, broker: BarBroker, portfolio: Portfolio, limits: LimitEngine) -> None:
        self._broker, self._portfolio, self._limits = broker, portfolio, limits
        self.batch: Batch | None = None

    @property
    def now(self) -> Batch:
        """The bar at whose close orders are decided."""
        if self.batch is None:
            raise ConfigError("orders can be sent from decide() only, at the close of a bar")
        return self.batch

    def price(self, sid: int) -> float:
        """Return the last close of an asset, per share; NaN where none is known."""
        close = math.nan if self.batch is None else float(self.batch.close[sid])
        return close if close == close else float(self._portfolio.mark[sid])

    def coming(self, sid: int) -> list[float]:
        """Return what open market orders of an asset are still to trade, signed."""
        return [order.left for order in self.coming_orders(sid)]

    def coming_orders(self, sid: int) -> list[Order]:
        """Return the open orders of an asset that fill at the next chance, whatever the price."""
        return [order for order in self._broker.open_orders(sid) if is_coming(order)]

    def make(
        self,
        asset: object,
        *,
        sid: int,
        quantity: float,
        kind: OrderType,
        force: TimeInForce,
        terms: OrderTerms,
    ) -> Order:
        """Return an order, with the exits of its bracket as children; it is not sent yet.

        Parameters
        ----------
        quantity : float
            Shares, positive buys, negative sells; not 0.
        kind, force
            What `require_terms` says of the terms.

        Raises
        ------
        ConfigError
            The order needs a high and a low that the bars do not have.
        """
        good_till, stop = terms.get("good_till"), terms.get("stop")
        order = Order(
            order_id=self._broker.new_id(),
            sid=sid,
            asset=asset,
            quantity=quantity,
            order_type=kind,
            created_t=self.now.t,
            limit=terms.get("limit"),
            stop=terms.get("if_touched") if stop is None else stop,
            trail_amount=terms.get("trail"),
            trail_fraction=terms.get("trail_fraction"),
            time_in_force=force,
            good_till=None if good_till is None else days(good_till),
            tag=terms.get("tag") or ORDER_TAG,
        )
        self._add_children(order, terms.get("take_profit"), terms.get("stop_loss"))
        self._require_range(order)
        return order

    def place(self, order: Order) -> None:
        """Round to lots and ticks, ask the limits, and submit."""
        whole = self._whole(order, order.quantity)
        if whole == 0:
            self._broker.refuse(order, OrderStatus.REJECTED, BELOW_LOT)
            return
        amend(order, quantity=whole)
        if self._is_too_large(order, whole):
            self._broker.refuse(order, OrderStatus.REJECTED, ABOVE_MAX)
            return
        # What reduces a position when it is sent never opens the other side with that part,
        # whatever has closed the position by the time it fills.
        # A position that is only on its way does not count: until it is there, nothing is held that
        # an exit could close, and it would end.
        live = float(self._portfolio.quantity[order.sid])
        held = live + sum(left for left in self.coming(order.sid) if left * live < 0)
        if live * whole < 0 and held * whole < 0:
            amend(
                order,
                is_exit=abs(whole) <= abs(held) * (1 + NO_CHANGE),
                opening=max(abs(whole) - abs(held), 0.0),
            )
        price = self.price(order.sid)
        if order.order_type.starts_at_market and price != price:
            self._broker.refuse(order, OrderStatus.REJECTED, "no bar")
            return
        if wrong := _closed_at_once(order, price):
            self._broker.refuse(order, OrderStatus.DENIED, f"{wrong} {BEYOND}")
            return
        order.order_type.start(order, price)
        left = self._limits.allow(self.now.t, order.sid, order.quantity, price)
        if left == 0:
            self._broker.refuse(order, OrderStatus.DENIED, self._limits.denied_by)
            return
        if left != order.quantity:
            amend(order, reason=f"cut by {self._limits.denied_by}", quantity=left)
        self._broker.submit(order)

    def refuse_unsized(self, asset: object, *, sid: int, tag: str) -> Order:
        """Refuse an order for an asset whose price is not known, so that it has no quantity."""
        order = Order(
            order_id=self._broker.new_id(),
            sid=sid,
            asset=asset,
            quantity=float("nan"),
            order_type=MARKET,
            created_t=self.now.t,
            time_in_force=TimeInForce.DAY,
            tag=tag,
        )
        self._broker.refuse(order, OrderStatus.REJECTED, "no bar")
        return order

    def replace(
        self,
        order: Order,
        *,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
    ) -> None:
        """Change an open order in place; `quantity` counts what has filled already."""
        if not order.is_open:
            raise ConfigError(f"order {order.order_id} is {order.status} and cannot be replaced")
        if quantity is not None and (not is_number(quantity) or quantity * order.quantity <= 0):
            raise ConfigError(f"quantity must keep the order's side, was {quantity!r}")
        require_size(0.0 if quantity is None else quantity)
        given = (("limit", limit), ("stop", stop))
        for name, value in given:
            if value is None:
                continue
            if getattr(order, name) is None:
                raise ConfigError(f"a {order.order_type} order has no {name} to replace")
            if not is_number(value) or not value > 0:
                raise ConfigError(f"{name} must be a number above 0, was {value!r}")
        if quantity is not None:
            whole = self._whole(order, float(quantity))
            if self._is_too_large(order, whole):
                whole = order.quantity  # the market takes no such change
            more = self._allowed_more(order, whole)
            amend(order, quantity=order.quantity + more)
            if not order.is_exit:
                amend(order, opening=order.opening + max(more * order.side, 0.0))
        if limit is not None:
            amend(order, limit=float(limit))
        if stop is not None:
            amend(order, stop=float(stop), is_triggered=False)
        self._broker.round_prices(order)
        if abs(order.left) <= NO_CHANGE * abs(order.quantity) or order.left * order.side < 0:
            if order.filled_quantity:
                amend(order, quantity=order.filled_quantity)
            self._broker.cancel(order)

    # -- inside -----------------------------------------------------------------------

    def _allowed_more(self, order: Order, quantity: float) -> float:
        """Return the change of an order's quantity that the limits leave; less is always fine."""
        more = quantity - order.quantity
        if more * order.side <= 0:
            return more
        allowed = self._limits.allow(self.now.t, order.sid, more, self.price(order.sid))
        if allowed != more:
            amend(order, reason=f"cut by {self._limits.denied_by}")
        return allowed

    def _is_too_large(self, order: Order, quantity: float) -> bool:
        """Whether a quantity is more than one order of its asset may be."""
        return abs(quantity) > self._broker.executor.terms.max_order.item(order.sid)

    def _whole(self, order: Order, quantity: float) -> float:
        """Return a quantity cut to whole lots, unless it closes exactly what is held."""
        if quantity - order.filled_quantity == -float(self._portfolio.quantity[order.sid]):
            return quantity
        whole = self._broker.executor.whole(np.array([order.sid]), np.array([quantity]))
        return float(whole[0])

    def _add_children(
        self, parent: Order, take_profit: float | None, stop_loss: float | None
    ) -> None:
        """Give an order the exits that come alive when it fills, one cancelling the other."""
        children: list[Order] = []
        for price, tag in ((take_profit, TAKE_PROFIT), (stop_loss, STOP_LOSS)):
            if price is None:
                continue
            is_limit = tag == TAKE_PROFIT
            child = Order(
                order_id=self._broker.new_id(),
                sid=parent.sid,
                asset=parent.asset,
                quantity=-parent.quantity,
                order_type=LIMIT if is_limit else STOP,
                created_t=parent.created_t,
                limit=price if is_limit else None,
                stop=None if is_limit else price,
                tag=tag,
                parent=parent,
                is_exit=True,
            )
            children.append(child)
        amend(parent, children=tuple(children))
        for child in children if len(children) > 1 else ():
            amend(child, group=parent.children)

    def _require_range(self, order: Order) -> None:
        now = self.now
        has_range = now.high is not None and now.low is not None
        if has_range and now.traded_close is None:
            return
        needed = "'high' and 'low'" if now.traded_close is None else "'open', 'high' and 'low'"
        for one in (order, *order.children):
            if one.order_type.acts_inside:
                raise ConfigError(
                    f"a {one.order_type} order needs prices with columns {needed}; "
                    "add them to the source"
                )


def _closed_at_once(order: Order, price: float) -> str | None:
    """Return which exit of an order is on the wrong side of the price at which it will open.

    It would be met with the entry: bought at 100 with a stop at 105, or a target at 95, is sold at
    once. A gap may still bring the entry beyond it, which nobody knows before.
    """
    if order.is_exit:
        return None
    expected = order.order_type.expected(order, price)
    for child in order.children:
        if child.stop is not None and order.side * (child.stop - expected) > 0:
            return child.tag
        if child.limit is not None and order.side * (child.limit - expected) < 0:
            return child.tag
    return None


def is_coming(order: Order) -> bool:
    """Return whether an order fills at the next chance, whatever the price."""
    return order.is_alive and (
        not order.order_type.is_priced or (order.is_triggered and order.limit is None)
    )
