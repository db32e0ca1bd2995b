"""MarketOrders: vectors of orders without a life of their own, and the ledger of their ends.

Exits of rules and target weights become market orders at the moment at which they fill. What is
done with each of them is a row of `orders`.
"""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.orders import Ended, OrderStatus, Tags, TimeInForce, tags_at
from ml4t.backtest.execution.orders.types import MARKET


class MarketOrders:
    """Market orders of one moment.

    Attributes
    ----------
    sids : int array
    quantity : float array
        Shares, signed; NaN where a target could not be sized.
    tags : Tags
        Who asked.
    """

    __slots__ = ("quantity", "sids", "tags")

    def __init__(self, sids: Ints, quantity: Floats, tags: Tags) -> None:
        self.sids, self.quantity, self.tags = sids, quantity, tags

    def __len__(self) -> int:
        return len(self.sids)

    def where(self, chosen: Bools) -> MarketOrders:
        """Return the market orders that a mask keeps."""
        if np.count_nonzero(chosen) == len(chosen):  # most of the time
            return self
        return MarketOrders(self.sids[chosen], self.quantity[chosen], tags_at(self.tags, chosen))


class MarketOrderLedger:
    """Records the ends of market orders.

    Parameters
    ----------
    journal : Journal

    Attributes
    ----------
    created_t : int
        Bar at whose close the market orders of the moment were decided.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.created_t = -1

    def end(self, market_orders: MarketOrders, status: OrderStatus, reason: str) -> None:
        """Record market orders that ended without a fill."""
        if len(market_orders):
            ids = self._journal.new_ids(len(market_orders))
            self.record(ids, market_orders, np.zeros(len(market_orders)), status, reason)

    def record(
        self, ids: Ints, market_orders: MarketOrders, done: Floats, status: OrderStatus, reason: str
    ) -> None:
        """Record market orders, and what was done of each."""
        self._journal.record(
            Ended(
                ids=ids,
                created_t=self.created_t,
                sids=market_orders.sids,
                quantity=market_orders.quantity,
                filled=done,
                order_type=MARKET,
                time_in_force=TimeInForce.DAY,
                status=status,
                reason=reason,
                tag=market_orders.tags,
            )
        )


def unsized(sids: Ints, tags: Tags) -> MarketOrders:
    """Return the market orders of what ended before it had a quantity."""
    return MarketOrders(sids, np.full(len(sids), np.nan), tags)
