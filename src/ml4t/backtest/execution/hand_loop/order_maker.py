"""OrderMaker: the orders that a loop written by hand can make; its broker takes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ml4t.backtest.core.orders import require_size
from ml4t.backtest.errors import ConfigError, as_float, require_number
from ml4t.backtest.execution.hand_loop.order import LoopOrder
from ml4t.backtest.execution.orders.types import LIMIT_ON_CLOSE, MARKET_IF_TOUCHED


class OrderMaker:
    """Numbers orders, and knows the newest event: what is decided has seen no later one."""

    def __init__(self) -> None:
        self._now: datetime | None = None
        self._n_orders = 0

    def market_order(
        self,
        asset_id: object,
        quantity: float,
        *,
        decided_at: datetime | None = None,
        at_close: bool = False,
        tag: str = "order",
    ) -> LoopOrder:
        """Make a market order; `submit_order` sends it.

        Parameters
        ----------
        quantity : float
            Shares, positive buys, negative sells; not 0.
        decided_at : datetime, optional
            Timestamp of the newest event that the decision has seen; by default the newest one
            that the broker has. Name it where an event is decided on before the broker has it:
            else the order would fill at that event's open, which was over when it was decided.
        at_close : bool
            Fill at the close of the event at which it was decided, which is optimistic, where
            that event is still to come to the broker.
        tag : str
            Shown by its fills.
        """
        _require_quantity(quantity)
        return LoopOrder(
            order_id=self._next_id(), asset_id=asset_id, quantity=float(quantity), tag=tag,
            decided_at=self._now if decided_at is None else decided_at, at_close=at_close,
        )  # fmt: skip

    def market_if_touched_order(
        self,
        asset_id: object,
        quantity: float,
        price: float,
        *,
        decided_at: datetime | None = None,
        tag: str = "order",
    ) -> LoopOrder:
        """Make an order that waits for a price on the better side of the market.

        Below it to buy, above it to sell. A later event whose bar touches the price fills it there,
        or at the open where that is better; slippage goes past it. Until then it stands.

        Parameters
        ----------
        price : float
            Per share, above 0.
        quantity, decided_at, tag
            As of `market_order`.
        """
        order = self.market_order(asset_id, quantity, decided_at=decided_at, tag=tag)
        return replace(order, order_type=MARKET_IF_TOUCHED, stop=_above_zero("price", price))

    def limit_on_close_order(
        self,
        asset_id: object,
        quantity: float,
        limit: float,
        *,
        decided_at: datetime | None = None,
        tag: str = "order",
    ) -> LoopOrder:
        """Make an order that fills at the first later close that is no worse than its limit.

        Slippage never goes past the limit. Until it fills it stands.

        Parameters
        ----------
        limit : float
            Per share, above 0.
        quantity, decided_at, tag
            As of `market_order`.
        """
        order = self.market_order(asset_id, quantity, decided_at=decided_at, tag=tag)
        return replace(order, order_type=LIMIT_ON_CLOSE, limit=_above_zero("limit", limit))

    def exit_order(
        self,
        asset_id: object,
        quantity: float,
        *,
        decided_at: datetime,
        tag: str,
        stop: float | None = None,
        limit: float | None = None,
    ) -> LoopOrder:
        """Make an order that leaves a position, or a part of it; risk managers call this.

        Parameters
        ----------
        quantity : float
            Signed against the position; cut to what is held when it fills.
        decided_at : datetime
            Timestamp of the event at which it was decided. Where that event is still to come to
            the broker, it fills in its bar: at the level, or at the close without one.
        tag : str
            Name of the rule.
        stop, limit : float, optional
            The level, per share, that this event has passed; where its bar has not, the order is a
            market order at the next one.
        """
        _require_quantity(quantity)
        return LoopOrder(
            order_id=self._next_id(), asset_id=asset_id, quantity=float(quantity), tag=tag,
            is_exit=True, decided_at=decided_at, at_close=True, stop=stop, limit=limit,
        )  # fmt: skip

    def _next_id(self) -> int:
        self._n_orders += 1
        return self._n_orders


def _above_zero(name: str, price: float) -> float:
    require_number(name, price, above=0, below=float("inf"))
    return float(price)


def _require_quantity(quantity: object) -> None:
    if not 0 < abs(as_float(quantity)) < float("inf"):
        raise ConfigError(f"quantity must be a number other than 0, was {quantity!r}")
    require_size(as_float(quantity))
