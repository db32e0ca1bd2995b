"""Orders and fills of loops written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TypedDict, Unpack

from ml4t.backtest.core.event import Fill, MarketEvent
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.execution.orders.order import Chance, OrderType
from ml4t.backtest.execution.orders.read_only import sealed
from ml4t.backtest.execution.orders.touch import AssetBar, InBar, Phase
from ml4t.backtest.execution.orders.types import MARKET


class When(IntEnum):
    """Moments of one bar, in their order."""

    OPEN = 0
    INSIDE = 1
    CLOSE = 2


@sealed(
    {"status": "call the broker's cancel_order(order) to end it"},
    "call the broker's cancel_order(order) and submit a new one",
)
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoopOrder:
    """An order of a loop written by hand; it shows what became of it. Read only.

    Attributes
    ----------
    order_id : int
    asset_id : object
    quantity : float
        Shares, positive buys, negative sells.
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
    is_exit : bool
        Cut to what is held when it fills, so that it never opens anything.
    tag : str
        Who asked: the strategy's own word, or the name of a rule.
    status : OrderStatus
    filled_quantity : float
        Shares done, signed.
    reason : str
        Why it ended so; empty where it filled whole.
    """

    order_id: int
    asset_id: object
    quantity: float
    decided_at: datetime | None
    order_type: OrderType = MARKET
    at_close: bool = False
    stop: float | None = None
    limit: float | None = None
    is_exit: bool = False
    tag: str = "order"
    status: OrderStatus = OrderStatus.OPEN
    filled_quantity: float = 0.0
    reason: str = ""

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
    def is_triggered(self) -> bool:
        """False: what is met in a loop fills at once, as far as it ever does."""
        return False

    def stop_level(self) -> float | None:
        """Return the price at which it triggers."""
        return self.stop

    def limit_in(self, event: MarketEvent) -> float | None:
        """Return the price that no fill in an event's bar is worse than, None: there is none."""
        is_own = self.order_type.is_priced or self.decided_at == event.timestamp
        return self.limit if is_own else None

    def met(self, event: MarketEvent) -> tuple[When, float] | None:
        """Return when and at which price, before costs, it fills in an event's bar.

        Returns
        -------
        (When, float) or None
            None: not in this bar.
        """
        if event.volume == 0 or event.close != event.close:
            return None  # nothing trades
        has_open = event.open == event.open
        is_later = self.decided_at is None or self.decided_at < event.timestamp
        if self.order_type.is_priced:
            return self._met_price(event) if is_later else None
        if is_later:
            return When.OPEN, float(event.open if has_open else event.close)
        if self.decided_at != event.timestamp or not self.at_close:
            return None
        level = self.limit if self.stop is None else self.stop
        if level is None:
            return When.CLOSE, float(event.close)
        # Of a bar without an open nothing but its close is a price that was there.
        market = float(event.open if has_open else event.close)
        is_above = (self.quantity > 0) == (self.stop is not None)
        return When.INSIDE, max(market, level) if is_above else min(market, level)

    def _met_price(self, event: MarketEvent) -> tuple[When, float] | None:
        """Ask the type what the bar does to an order with a price of its own."""
        if self.order_type.chance is Chance.CLOSE:
            is_met = self.order_type.fills_at(self, event.close)
            return (When.CLOSE, float(event.close)) if is_met else None
        touch = self.order_type.touch(self, InBar(_bar(event)))
        if touch is None:
            return None
        return When.OPEN if touch.phase is Phase.OPEN else When.INSIDE, touch.price


class LoopChanges(TypedDict, total=False):
    """What a broker writes into an order after it was made."""

    status: OrderStatus
    filled_quantity: float
    reason: str


def amend_loop(order: LoopOrder, **changes: Unpack[LoopChanges]) -> None:
    """Write into an order: for brokers, the only ones that may."""
    for name, value in changes.items():
        object.__setattr__(order, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFill(Fill):
    """A fill in a loop written by hand, and what it realised.

    Attributes
    ----------
    pnl : float
        Account currency, net of the commission of entry and exit; 0 for a buy.
    at_close : bool
        Whether it was made at the close, or opened something inside the bar: nothing of the bar is
        known to belong to what it opened.
    """

    pnl: float
    at_close: bool


def _bar(event: MarketEvent) -> AssetBar:
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
