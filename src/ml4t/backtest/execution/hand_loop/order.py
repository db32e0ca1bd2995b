"""Orders and fills of loops written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from ml4t.backtest.core.event import NAN, Fill, MarketEvent
from ml4t.backtest.execution.orders.order import BaseOrder, Chance, Order, OrderType
from ml4t.backtest.execution.orders.read_only import sealed
from ml4t.backtest.execution.orders.touch import AssetBar, InBar, Phase, Touch
from ml4t.backtest.execution.orders.types import LIMIT, MARKET, MARKET_ON_CLOSE, STOP

# Met without a look at the range: at the open, at the close.
AT_ONCE = Touch(Phase.OPEN, 0.0, NAN)


class When(IntEnum):
    """Moments of one bar, in their order."""

    OPEN = 0
    INSIDE = 1
    CLOSE = 2


class Met(NamedTuple):
    """What a bar may fill of an order.

    Attributes
    ----------
    when : When
    order : Order
        The engine's, for this bar.
    touch : Touch
        Where inside the bar it is met.
    """

    when: When
    order: Order
    touch: Touch = AT_ONCE


@sealed(
    {"status": "call the broker's cancel_order(order) to end it"},
    "call the broker's cancel_order(order) and submit a new one",
)
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoopOrder(BaseOrder):
    """An order of a loop written by hand; it shows what became of it. Read only.

    Attributes
    ----------
    asset_id : object
    decided_at : datetime or None
        Timestamp of the newest event that the decision has seen; None: before any event.
    order_type : OrderType
        ``"market"``, ``"market_if_touched"`` or ``"limit_on_close"``.
    at_close : bool
        Whether it may fill at the close of the event at which it was decided.
    stop, limit : float or None
        Per share. Of a type with a price: the price that triggers it, the one that no fill is worse
        than. Of an exit: the level that the event at which it was decided has passed. There it
        fills inside the bar; at any later event it is a market order.
    """

    asset_id: object
    decided_at: datetime | None
    order_type: OrderType = MARKET
    at_close: bool = False
    tag: str = "order"

    def in_bar(self, event: MarketEvent) -> Met | None:
        """Return what of it an event's bar may fill, None where that is nothing."""
        if event.volume == 0 or event.close != event.close:
            return None  # nothing trades
        is_later = self.decided_at is None or self.decided_at < event.timestamp
        if self.order_type.is_priced:
            if not is_later:
                return None
            return self._priced(event)
        if is_later:
            return Met(When.OPEN, self._single(MARKET))
        if self.decided_at != event.timestamp or not self.at_close:
            return None
        if self.stop is not None:
            return _inside(self._single(STOP, stop=self.stop), event)
        if self.limit is not None:
            return _inside(self._single(LIMIT, limit=self.limit), event)
        return Met(When.CLOSE, self._single(MARKET_ON_CLOSE))

    def _priced(self, event: MarketEvent) -> Met | None:
        """Ask the type when the bar meets an order with a price of its own."""
        order = self._single(self.order_type, stop=self.stop, limit=self.limit)
        if order.order_type.chance is Chance.CLOSE:
            return Met(When.CLOSE, order)
        met = _inside(order, event)
        if met is not None and met.touch.phase is Phase.OPEN:
            # Sales come before purchases there, whatever their type.
            return Met(When.OPEN, self._single(MARKET))
        return met

    def _single(
        self, order_type: OrderType, *, stop: float | None = None, limit: float | None = None
    ) -> Order:
        return Order(
            order_id=self.order_id, sid=0, asset=self.asset_id, quantity=self.left,
            order_type=order_type, created_t=-1, stop=stop, limit=limit, is_exit=self.is_exit,
            tag=self.tag,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFill(Fill):
    """A fill in a loop written by hand, and what it realised.

    Attributes
    ----------
    pnl : float
        Account currency, net of what is charged at entry and exit; 0 for a buy.
    at_close : bool
        Whether it was made at the close, or opened something inside the bar: nothing of the bar is
        known to belong to what it opened.
    """

    pnl: float
    at_close: bool


def _inside(order: Order, event: MarketEvent) -> Met | None:
    touch = order.order_type.touch(order, InBar(bar_of(event)))
    return None if touch is None else Met(When.INSIDE, order, touch)


def bar_of(event: MarketEvent) -> AssetBar:
    """Return the bar of an event; what it does not tell is its close, or the range of the two."""
    close = float(event.close)
    first = float(event.open) if event.open == event.open else close
    high, low = max(first, close), min(first, close)
    return AssetBar(
        first,
        float(event.high) if event.high == event.high else high,
        float(event.low) if event.low == event.low else low,
        close,
    )
