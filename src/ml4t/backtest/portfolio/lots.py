"""FIFO lots of one asset: a fill opens a lot, an opposite fill closes the oldest first."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Lot(NamedTuple):
    """Shares bought (or sold short) in one fill; costs are per share."""

    quantity: float
    price: float
    commission: float
    slippage: float
    t: int


class Trade(NamedTuple):
    """A part of a lot that was closed by one fill.

    `pnl` is ``quantity * (exit_price - entry_price) - commission``, in account currency;
    `commission` and `slippage` are this part's share of both fills' costs.
    """

    sid: int
    quantity: float
    entry_t: int
    entry_price: float
    exit_t: int
    exit_price: float
    pnl: float
    commission: float
    slippage: float
    reason: str


def close_lots(lots: deque[Lot], sid: int, fill: Lot, reason: str, *, is_flat: bool) -> list[Trade]:
    """Close the oldest lots with a fill of the opposite sign; the lots are edited in place.

    Parameters
    ----------
    fill : Lot
        The closing fill; its `quantity` has the sign opposite to the lots'.
    is_flat : bool
        The fill ends the position: every lot is closed whole, so that rounding in the
        lots' sum leaves no dust behind.

    Returns
    -------
    list of Trade
        One per lot touched, oldest first.
    """
    left = -fill.quantity
    trades = []
    while lots and (is_flat or abs(left) > 0.0):
        lot = lots[0]
        part = lot.quantity if is_flat or abs(lot.quantity) <= abs(left) else left
        left -= part
        size = abs(part)
        commission = size * (lot.commission + fill.commission)
        pnl = part * (fill.price - lot.price) - commission
        slippage = size * (lot.slippage + fill.slippage)
        trades.append(
            Trade(
                sid, part, lot.t, lot.price, fill.t, fill.price, pnl, commission, slippage, reason
            )
        )
        if part == lot.quantity:
            lots.popleft()
        else:
            lots[0] = lot._replace(quantity=lot.quantity - part)
    return trades
