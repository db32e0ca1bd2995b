"""Orders and fills of loops written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TypedDict, Unpack

from ml4t.backtest.core.event import Fill, MarketEvent
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.execution.orders.read_only import sealed


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
    """A market order of a loop written by hand; it shows what became of it. Read only.

    Attributes
    ----------
    order_id : int
    asset_id : object
    quantity : float
        Shares, positive buys, negative sells.
    decided_at : datetime or None
        Timestamp of the newest event that the decision has seen; None: before any event.
    at_close : bool
        Whether it may fill at the close of the event at which it was decided.
    stop, limit : float or None
        Of an exit: the level, per share, that the event at which it was decided has passed. There
        it fills inside the bar; at any later event it is a market order.
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
        if self.decided_at is None or self.decided_at < event.timestamp:
            return When.OPEN, float(event.open if has_open else event.close)
        if self.decided_at > event.timestamp or not self.at_close:
            return None
        level = self.limit if self.stop is None else self.stop
        if level is None:
            return When.CLOSE, float(event.close)
        # Of a bar without an open nothing but its close is a price that was there.
        market = float(event.open if has_open else event.close)
        is_above = (self.quantity > 0) == (self.stop is not None)
        return When.INSIDE, max(market, level) if is_above else min(market, level)


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
        Whether it was made at the close, so that nothing of the bar belongs to what it opened.
    """

    pnl: float
    at_close: bool
