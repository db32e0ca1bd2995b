"""Ending: as what an order ends, by how much of it was done."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.tolerances import TRIFLE
from ml4t.backtest.execution.orders.order import BaseOrder

# A target is sized before its costs are known, a fraction at a close before an open: what they
# take off every purchase of an account that is all invested is no shortage.
TRIMMED = "trimmed to fit the account"


def ends_as(status: OrderStatus, order: BaseOrder) -> OrderStatus:
    """Return the status of an order of which no more will fill; `status` is that of its rest."""
    if not order.filled_quantity:
        return status
    is_all = status is OrderStatus.FILLED and abs(order.left) < TRIFLE * abs(order.quantity)
    return OrderStatus.FILLED if is_all else OrderStatus.PARTIAL


def done_as(order: BaseOrder) -> str:
    """Return the status of an order as a word in a sentence."""
    return "filled in part" if order.status is OrderStatus.PARTIAL else str(order.status)


def why_cut(asked: float, done: float, lacks: str) -> str:
    """Return the reason of what the account has cut; `lacks` says what it lacks."""
    return TRIMMED if abs(asked - done) < TRIFLE * abs(asked) else f"cut: {lacks}"


def trimmed(asked: Floats, done: Floats) -> Bools:
    """Return which of many orders the account has cut by no more than a trifle."""
    is_trifle: Bools = np.abs(asked - done) < TRIFLE * np.abs(asked)
    return is_trifle
