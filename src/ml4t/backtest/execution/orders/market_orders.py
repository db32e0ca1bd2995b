"""MarketOrders: vectors of orders without a life of their own, and the ledger of their ends.

Exits of rules and target weights become market orders at the moment at which they fill. What is
done with each of them is a row of `orders`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.orders import Ended, OrderStatus, TimeInForce
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.types import MARKET
from ml4t.backtest.portfolio.portfolio import Seen

VOLUME_LIMIT = "volume limit"


@dataclass(frozen=True, slots=True)
class MarketOrders:
    """Market orders of one moment.

    Attributes
    ----------
    sids : int array
    quantity : float array
        Shares, signed; NaN where a target could not be sized.
    tags : tuple of str
        Who asked, per order.
    """

    sids: Ints
    quantity: Floats
    tags: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sids)

    def where(self, chosen: Bools) -> MarketOrders:
        """Return the market orders that a mask keeps."""
        if chosen.all():  # most of the time
            return self
        tags = tuple(tag for tag, ok in zip(self.tags, chosen.tolist(), strict=True) if ok)
        return MarketOrders(self.sids[chosen], self.quantity[chosen], tags)


class MarketOrderLedger:
    """Fills market orders and records their ends.

    Parameters
    ----------
    executor : Executor

    Attributes
    ----------
    created_t : int
        Bar at whose close the market orders of the moment were decided.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor, self._journal = executor, executor.journal
        self.created_t = -1

    def fill(
        self,
        batch: Batch,
        prices: Floats,
        market_orders: MarketOrders,
        *,
        asked: Floats | None = None,
        is_capped: Bools | None = None,
        why_scaled: str = "",
        why_cut: str = "the rest expired",
        seen: Seen = Seen.ALL,
    ) -> Floats:
        """Fill market orders as far as the bar's volume goes; return what was done of each.

        Parameters
        ----------
        prices : float array, by sid
            Before costs.
        asked : float array, optional
            What the orders say, where they were scaled down already; `why_scaled` says why.
        is_capped : bool array, optional
            The bar's volume has cut these before.
        """
        if not len(market_orders):
            return np.empty(0)
        sids, quantity = market_orders.sids, market_orders.quantity
        asked = quantity if asked is None else asked
        done = self._executor.within_volume(sids, quantity)
        ids = self._journal.new_ids(len(sids))
        if done is quantity and is_capped is None and asked is quantity:  # nothing to tell apart
            self._executor.fill(batch, ids, sids, done, prices[sids], market_orders.tags, seen=seen)
            self._record(ids, market_orders, done, OrderStatus.FILLED, "")
            return done
        fills = done != 0
        if fills.any():
            some = market_orders.where(fills)
            base = prices[some.sids]
            self._executor.fill(
                batch, ids[fills], some.sids, done[fills], base, some.tags, seen=seen
            )
        is_cut = done != quantity
        if is_capped is not None:
            is_cut |= is_capped
        is_scaled = ~is_cut & (quantity != asked)
        whole = MarketOrders(sids, asked, market_orders.tags)
        for which, status, reason in (
            (~is_cut & ~is_scaled, OrderStatus.FILLED, ""),
            (is_scaled, OrderStatus.FILLED, why_scaled),
            (is_cut, OrderStatus.EXPIRED, f"{VOLUME_LIMIT}: {why_cut}"),
        ):
            if which.any():
                self._record(ids[which], whole.where(which), done[which], status, reason)
        return done

    def fill_free(self, batch: Batch, market_orders: MarketOrders, price: Floats) -> None:
        """Fill market orders of this very bar at a price without any costs."""
        ids, created_t = self._journal.new_ids(len(market_orders)), self.created_t
        self._executor.fill_free(
            batch.t, ids, market_orders.sids, market_orders.quantity, price, market_orders.tags
        )
        self.created_t = batch.t
        self._record(ids, market_orders, market_orders.quantity, OrderStatus.FILLED, "")
        self.created_t = created_t

    def end(self, market_orders: MarketOrders, status: OrderStatus, reason: str) -> None:
        """Record market orders that ended without a fill."""
        if len(market_orders):
            ids = self._journal.new_ids(len(market_orders))
            self._record(ids, market_orders, np.zeros(len(market_orders)), status, reason)

    def _record(
        self, ids: Ints, market_orders: MarketOrders, done: Floats, status: OrderStatus, reason: str
    ) -> None:
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


def unsized(sids: Ints, tags: tuple[str, ...]) -> MarketOrders:
    """Return the market orders of what ended before it had a quantity."""
    return MarketOrders(sids, np.full(len(sids), np.nan), tags)
