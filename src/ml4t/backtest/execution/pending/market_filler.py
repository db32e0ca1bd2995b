"""MarketOrderFiller: fills vectors of market orders, as far as the bar's volume goes."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.ending import TRIMMED, trimmed
from ml4t.backtest.execution.orders.market_orders import MarketOrders
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.portfolio.portfolio import Seen

VOLUME_LIMIT = "volume limit"


class MarketOrderFiller:
    """Fills market orders and has their ends recorded.

    Parameters
    ----------
    executor : Executor
    post_trade : PostTrade
        Told of every fill, at once.

    Attributes
    ----------
    ledger : MarketOrderLedger
        Told what became of every order.
    """

    def __init__(self, executor: Executor, post_trade: PostTrade) -> None:
        self._executor, self._journal, self._post_trade = executor, executor.journal, post_trade
        self.ledger = post_trade.protective.ledger

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
            tags, base = market_orders.tags, prices[sids]
            booked = self._executor.fill(batch, ids, sids, done, base, tags, seen=seen)
            self._post_trade.process(booked)
            self.ledger.record(ids, market_orders, done, OrderStatus.FILLED, "")
            return done
        fills = done != 0
        if fills.any():
            some = market_orders.where(fills)
            base = prices[some.sids]
            booked = self._executor.fill(
                batch, ids[fills], some.sids, done[fills], base, some.tags, seen=seen
            )
            self._post_trade.process(booked)
        is_cut = done != quantity
        if is_capped is not None:
            is_cut |= is_capped
        is_scaled, is_trimmed = ~is_cut & (quantity != asked), trimmed(asked, quantity)
        whole = MarketOrders(sids, asked, market_orders.tags)
        for which, status, reason in (
            (~is_cut & ~is_scaled, OrderStatus.FILLED, ""),
            (is_scaled & is_trimmed, OrderStatus.FILLED, TRIMMED),
            (is_scaled & ~is_trimmed, OrderStatus.PARTIAL, why_scaled),
            (is_cut & fills, OrderStatus.PARTIAL, f"{VOLUME_LIMIT}: {why_cut}"),
            (is_cut & ~fills, OrderStatus.EXPIRED, f"{VOLUME_LIMIT}: {why_cut}"),
        ):
            if which.any():
                self.ledger.record(ids[which], whole.where(which), done[which], status, reason)
        return done

    def fill_free(self, batch: Batch, market_orders: MarketOrders, price: Floats) -> None:
        """Fill market orders of this very bar at a price without any costs."""
        ids, created_t = self._journal.new_ids(len(market_orders)), self.ledger.created_t
        self._executor.fill_free(
            batch.t, ids, market_orders.sids, market_orders.quantity, price, market_orders.tags
        )
        self.ledger.created_t = batch.t
        self.ledger.record(ids, market_orders, market_orders.quantity, OrderStatus.FILLED, "")
        self.ledger.created_t = created_t
