"""FIFO lots of one asset: a fill opens a lot, an opposite fill closes the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Floats, Ints
from ml4t.backtest.core.tolerances import DUST
from ml4t.backtest.core.trades import Trade


class Lot(NamedTuple):
    """Shares bought (or sold short) in one fill; costs are per share, in account currency.

    `borrowed` is what borrowing one share had cost since the run began when the lot was opened:
    the difference to today's sum is what this lot has paid. `earned` is the same of the dividends
    of one share, in units of price. `fill` counts the run's fills from 0; -1: it is of none.
    """

    quantity: float
    price: float
    commission: float
    slippage: float
    impact: float
    t: int
    borrowed: float = 0.0
    earned: float = 0.0
    fill: int = -1


class Lots(NamedTuple):
    """Fills of one moment as lots, one per asset; the fields are those of `Lot`, as vectors."""

    sids: Ints
    quantity: Floats
    price: Floats
    commission: Floats
    slippage: Floats
    impact: Floats
    t: int
    borrowed: Floats
    earned: Floats
    reason: tuple[str, ...]
    fill: Ints

    def where(self, chosen: NDArray[np.bool_]) -> Lots:
        """Return the lots that a mask keeps."""
        if chosen.all():
            return self
        return Lots(
            self.sids[chosen], self.quantity[chosen], self.price[chosen],
            self.commission[chosen], self.slippage[chosen], self.impact[chosen], self.t,
            self.borrowed[chosen], self.earned[chosen],
            tuple(one for one, ok in zip(self.reason, chosen.tolist(), strict=True) if ok),
            self.fill[chosen],
        )  # fmt: skip

    def rows(self) -> Iterator[tuple[int, Lot, str]]:
        """Yield asset, lot and reason of each."""
        for (
            sid, quantity, price, commission, slippage, impact, borrowed, earned, reason, number,
        ) in zip(
            self.sids.tolist(), self.quantity.tolist(), self.price.tolist(),
            self.commission.tolist(), self.slippage.tolist(), self.impact.tolist(),
            self.borrowed.tolist(), self.earned.tolist(), self.reason, self.fill.tolist(),
            strict=True,
        ):  # fmt: skip
            costs = commission, slippage, impact
            yield sid, Lot(quantity, price, *costs, self.t, borrowed, earned, number), reason


def close_lots(
    lots: deque[Lot], sid: int, fill: Lot, reason: str, *, is_flat: bool, multiplier: float = 1.0
) -> list[Trade]:
    """Close the oldest lots with a fill of the opposite sign; the lots are edited in place.

    Parameters
    ----------
    fill : Lot
        The closing fill; its `quantity` has the sign opposite to the lots', its `borrowed` and
        `earned` are today's sums.
    is_flat : bool
        The fill ends the position: every lot is closed whole, so that rounding in the
        lots' sum leaves no dust behind.

    Returns
    -------
    list of Trade
        One per lot touched, oldest first.
    """
    left = -fill.quantity
    dust = DUST * abs(left)
    trades = []
    while lots and (is_flat or abs(left) > dust):
        lot = lots[0]
        part = lot.quantity if is_flat or abs(lot.quantity) <= abs(left) + dust else left
        left -= part
        trades.append(_trade(sid, lot, part, fill, reason, multiplier))
        if part == lot.quantity:
            lots.popleft()
        else:
            lots[0] = lot._replace(quantity=lot.quantity - part)
    return trades


def open_part(sid: int, lot: Lot, at_mark: Lot, multiplier: float) -> Trade:
    """Return an open lot as a trade without an exit, its P&L as if `at_mark` closed it."""
    whole = _trade(sid, lot, lot.quantity, at_mark, "", multiplier)
    return whole._replace(exit_price=float("nan"), reason=None)


def _trade(sid: int, lot: Lot, part: float, fill: Lot, reason: str, multiplier: float) -> Trade:
    size = abs(part)
    commission = size * (lot.commission + fill.commission)
    borrow = size * (fill.borrowed - lot.borrowed) if part < 0 else 0.0
    dividends = part * (fill.earned - lot.earned) * multiplier
    pnl = part * (fill.price - lot.price) * multiplier - commission - borrow + dividends
    # By position: there is one for every closed lot part of a run.
    return Trade(
        sid, part, lot.t, lot.price, fill.t, fill.price, pnl, commission,
        size * (lot.slippage + fill.slippage), size * (lot.impact + fill.impact), borrow,
        dividends, reason, lot.fill, fill.fill,
    )  # fmt: skip
