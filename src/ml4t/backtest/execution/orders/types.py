"""The types of orders, one class each. A new one is a class here and its name in `TYPES`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ml4t.backtest.core.orders import TimeInForce
from ml4t.backtest.execution.orders.order import Chance, Order, OrderType, amend
from ml4t.backtest.execution.orders.ticks import on_ticks
from ml4t.backtest.execution.orders.touch import (
    EntryFill,
    InBar,
    Phase,
    Touch,
    limit_after_entry,
    stop_after_entry,
    touch_limit,
    touch_stop,
)


class MarketOrder(OrderType):
    """Fills whatever the price, when the run's fill timing says."""

    asked_by = (frozenset(),)
    chance = Chance.TIMED
    stands = TimeInForce.DAY
    is_priced = False


class MarketOnCloseOrder(MarketOrder):
    """Fills whatever the price, at the next bar's close."""

    asked_by = (frozenset({"on_close"}),)
    chance = Chance.CLOSE


class LimitOrder(OrderType):
    """Fills at its limit or better."""

    asked_by = (frozenset({"limit"}),)

    def expected(self, order: Order, price: float) -> float:
        """Return the better of limit and last price."""
        return _better(order.side, _known(order.limit), price)

    def touch(self, order: Order, at: InBar) -> Touch | None:
        """Return the limit, or the open where that is better."""
        return touch_limit(at.bar, _known(order.limit), order.side, is_entry=at.is_entry)

    def touch_after_entry(self, order: Order, entry: EntryFill) -> Touch | None:
        """Return the limit, or the entry's price where that is better, if it is certain."""
        limit = _known(order.limit)
        return limit_after_entry(entry.bar, limit, order.side, entry.price, by_stop=entry.by_stop)


class StopOrder(OrderType):
    """Waits for its stop, and is a market order from there on."""

    asked_by: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"stop"}),)

    def expected(self, order: Order, price: float) -> float:
        """Return the worse of stop and last price."""
        return _better(-order.side, _known(order.stop), price)

    def touch(self, order: Order, at: InBar) -> Touch | None:
        """Return the stop, or the open beyond it; what was met before rests for an open."""
        if order.is_triggered:
            return None
        return touch_stop(at.bar, _known(order.stop_level()), order.side, is_entry=at.is_entry)

    def touch_after_entry(self, order: Order, entry: EntryFill) -> Touch | None:
        """Return the stop, or the entry's price beyond it, if the bar's range met it at all."""
        return stop_after_entry(entry.bar, _known(order.stop_level()), order.side, entry.price)

    def rest(self, order: Order) -> None:
        """Make a market order of what is left."""
        amend(order, is_triggered=True)

    def lowered_by_dividends(self, order: Order) -> tuple[str, ...]:
        """Return all prices of a sell that waits for its stop; after that it is another type."""
        # An exit of a bracket waits for its stop again when it is renewed.
        if order.is_triggered and order.parent is None:
            return super().lowered_by_dividends(order)
        return ("limit", "stop", "best_price") if order.quantity < 0 else ()


class StopLimitOrder(StopOrder):
    """Waits for its stop, and is a limit from there on."""

    asked_by = (frozenset({"limit", "stop"}),)

    def touch(self, order: Order, at: InBar) -> Touch | None:
        """Return the stop, and once that was met the limit."""
        if not order.is_triggered:
            return super().touch(order, at)
        limit = _known(order.limit)
        if not at.met_inside:
            return touch_limit(at.bar, limit, order.side, is_entry=at.is_entry)
        # What came after the stop is only known of the close. Triggered at the open, it has the
        # whole bar ahead.
        is_back = order.side * (at.bar.close - limit) <= 0
        return Touch(Phase.LIMIT, abs(limit - at.bar.open), limit) if is_back else None

    def meet(self, order: Order, touch: Touch) -> bool:
        """Make a limit of it; on this bar it fills where that is certain."""
        if order.is_triggered:
            return True
        amend(order, is_triggered=True)
        return order.side * (touch.price - _known(order.limit)) <= 0

    def rest(self, order: Order) -> None:
        """Leave it the limit that it is."""


class TrailingStopOrder(StopOrder):
    """Waits for a stop that follows the best price, and is a market order from there on."""

    asked_by = (frozenset({"trail"}), frozenset({"trail_fraction"}))
    starts_at_market = True

    def expected(self, order: Order, price: float) -> float:  # noqa: ARG002 - its stop follows
        """Return the last price, from which its stop counts."""
        return price

    def start(self, order: Order, price: float) -> None:
        """Count from the price at which it was sent, or came alive."""
        amend(order, best_price=price)

    def stop_level(self, order: Order) -> float | None:
        """Return the level behind the best price; None before it is alive."""
        if order.best_price is None:
            return None
        if order.trail_fraction is not None:
            level = order.best_price * (1 + order.side * order.trail_fraction)
        else:
            level = order.best_price + order.side * (order.trail_amount or 0.0)
        if not order.tick:
            return level
        # A stop rounds away from the market, as where its price is given.
        tick, side = np.array([order.tick]), np.array([order.side])
        return float(on_ticks(np.array([level]), tick, side)[0])

    def follow(self, order: Order, high: float, low: float) -> None:
        """Move the best price by the range, after it was checked against the bar."""
        best = _known(order.best_price)
        amend(order, best_price=min(best, low) if order.quantity > 0 else max(best, high))


class MarketIfTouchedOrder(OrderType):
    """Waits for a price on the better side of the market, and is a market order from there on.

    A limit that takes whatever it gets once it is reached: nothing holds its price, so slippage
    goes past it.
    """

    asked_by = (frozenset({"if_touched"}),)
    stop_rounds = -1.0

    def expected(self, order: Order, price: float) -> float:
        """Return the better of its price and the last."""
        return _better(order.side, _known(order.stop), price)

    def touch(self, order: Order, at: InBar) -> Touch | None:
        """Return the price, or the open where that is better; what was met rests for an open."""
        if order.is_triggered:
            return None
        return touch_limit(at.bar, _known(order.stop_level()), order.side, is_entry=at.is_entry)

    def rest(self, order: Order) -> None:
        """Make a market order of what is left."""
        amend(order, is_triggered=True)

    def lowered_by_dividends(self, order: Order) -> tuple[str, ...]:
        """Return the price of a buy: it is no stop, and falls as a limit to buy does."""
        return ("stop",) if order.quantity > 0 and not order.is_triggered else ()


class LimitOnCloseOrder(OrderType):
    """Fills at a close that is no worse than its limit; as long as it stands it looks at closes."""

    asked_by = (frozenset({"limit", "on_close"}),)
    chance = Chance.CLOSE
    stands = TimeInForce.DAY

    def expected(self, order: Order, price: float) -> float:
        """Return the better of limit and last price."""
        return _better(order.side, _known(order.limit), price)

    def fills_at(self, order: Order, price: float) -> bool:
        """Return whether a close is no worse than the limit."""
        return order.side * (price - _known(order.limit)) <= 0


MARKET, MARKET_ON_CLOSE = MarketOrder("market"), MarketOnCloseOrder("market_on_close")
LIMIT, STOP, STOP_LIMIT = LimitOrder("limit"), StopOrder("stop"), StopLimitOrder("stop_limit")
TRAILING_STOP = TrailingStopOrder("trailing_stop")
MARKET_IF_TOUCHED = MarketIfTouchedOrder("market_if_touched")
LIMIT_ON_CLOSE = LimitOnCloseOrder("limit_on_close")
TYPES: tuple[OrderType, ...] = (
    MARKET, MARKET_ON_CLOSE, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, MARKET_IF_TOUCHED,
    LIMIT_ON_CLOSE,
)  # fmt: skip


def _known(price: float | None) -> float:
    assert price is not None  # its type needs it
    return price


def _better(side: float, own: float, price: float) -> float:
    """Return the better of a price of an order and the last one, NaN where that is not known."""
    return float(np.fmin(own, price) if side > 0 else np.fmax(own, price))
