"""Fills and order outcomes as the broker hands them on: vectors, one entry per order.

Quantities are signed everywhere: positive buys, negative sells.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ml4t.backtest.core.batch import Floats, Ints


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    STOP = "stop"
    LIMIT = "limit"


class OrderStatus(StrEnum):
    """How an order ended."""

    FILLED = "filled"
    DENIED = "denied"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """Orders that filled together, in the order in which cash moved.

    Attributes
    ----------
    t : int
        Bar of the fill.
    sids : int array
    quantity : float array
        Shares, positive buys, negative sells.
    price : float array
        Per share, slippage included.
    commission, slippage : float array
        Account currency, positive = cost; slippage is already inside `price`.
    reason : tuple of str
        Why each order was sent: ``"rebalance"`` or the name of a risk rule.
    """

    t: int
    sids: Ints
    quantity: Floats
    price: Floats
    commission: Floats
    slippage: Floats
    reason: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Orders of one kind that met one fate together; the rows of the `orders` table.

    Attributes
    ----------
    created_t : int or int array
        Bar at whose close they were decided (a level on its entry bar: that bar).
    sids : int array
    quantity, filled : float array
        Shares asked and shares done, signed; NaN where a target could not be sized.
    level : float array or None
        Stop or limit price.
    tag : tuple of str
        Who asked: ``"rebalance"`` or the name of a risk rule.
    """

    created_t: int | Ints
    sids: Ints
    quantity: Floats
    filled: Floats
    order_type: OrderType
    status: OrderStatus
    reason: str
    tag: tuple[str, ...]
    level: Floats | None = None
