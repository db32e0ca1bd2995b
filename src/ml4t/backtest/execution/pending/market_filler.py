"""MarketOrderFiller: fills vectors of market orders, as far as the bar's volume goes."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.ending import TRIMMED, trimmed
from ml4t.backtest.execution.orders.market_orders import MarketOrders
from ml4t.backtest.execution.pending.post_trade import PostTrade
from ml4t.backtest.execution.pending.tradability import MIN_HOLDING
from ml4t.backtest.execution.pricing import Priced
from ml4t.backtest.portfolio.water_marks import Seen

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
        waits: Bools | None = None,
        why_scaled: str = "",
        why_cut: str = "the rest expired",
        seen: Seen = Seen.ALL,
        priced: Priced | None = None,
    ) -> Floats:
        """Fill market orders as far as the bar's volume goes; return what was done of each.

        Parameters
        ----------
        prices : float array, by sid
            Before costs.
        asked : float array, optional
            What the orders say, where they were scaled down already; `why_scaled` says why.
        is_capped : bool array, optional
            The bar's volume has cut these before, or `waits` has.
        waits : bool array, optional
            Those among them that were bought too lately to be sold.
        priced : Priced, optional
            What they pay, where somebody has asked before.
        """
        if not len(market_orders):
            return np.empty(0)
        sids, quantity = market_orders.sids, market_orders.quantity
        asked = quantity if asked is None else asked
        done, is_held = self._executor.fillable(sids, quantity)
        ids = self._journal.new_ids(len(sids))
        if done is quantity and is_capped is None:  # all of each is done
            booked = self._executor.fill(
                batch, ids, sids, done, prices[sids], market_orders.tags, seen=seen, priced=priced
            )
            self._post_trade.process(booked)
            self._record_filled(ids, market_orders, asked, why_scaled)
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
        held = np.zeros(len(sids), dtype=bool) if waits is None else waits
        held = held if is_held is None else held | is_held
        for which, status, reason in (
            (~is_cut & ~is_scaled, OrderStatus.FILLED, ""),
            (is_scaled & is_trimmed, OrderStatus.FILLED, TRIMMED),
            (is_scaled & ~is_trimmed, OrderStatus.PARTIAL, why_scaled),
            (is_cut & fills & ~held, OrderStatus.PARTIAL, f"{VOLUME_LIMIT}: {why_cut}"),
            (is_cut & ~fills & ~held, OrderStatus.EXPIRED, f"{VOLUME_LIMIT}: {why_cut}"),
            (is_cut & fills & held, OrderStatus.PARTIAL, f"{MIN_HOLDING}: {why_cut}"),
            (is_cut & ~fills & held, OrderStatus.EXPIRED, f"{MIN_HOLDING}: {why_cut}"),
        ):
            self._record(which, ids, whole, done, status, reason)
        return done

    def fill_whole(
        self,
        batch: Batch,
        reductions: MarketOrders,
        increases: MarketOrders,
        base: Floats,
        priced: Priced,
        *,
        asked: Floats,
        why_scaled: str,
        seen: Seen,
    ) -> None:
        """Fill reductions and then increases as one event; nothing but the account has cut these.

        Parameters
        ----------
        base : float array
            Price of each order, before costs.
        priced : Priced
            What each of them pays.
        asked : float array
            What the increases say, where they were scaled down.
        """
        n = len(reductions)
        sids = np.concatenate((reductions.sids, increases.sids))
        ids = self._journal.new_ids(len(sids))
        booked = self._executor.fill(
            batch, ids, sids, priced.quantity, base, reductions.tags, seen=seen, priced=priced,
            n_closing=n,
        )  # fmt: skip
        self._post_trade.process(booked)
        self._record_filled(ids[:n], reductions, reductions.quantity, "")
        self._record_filled(ids[n:], increases, asked, why_scaled)

    def _record_filled(
        self, ids: Ints, market_orders: MarketOrders, asked: Floats, why_scaled: str
    ) -> None:
        """Record orders of which all was done, but for what the account had cut before."""
        done = market_orders.quantity
        if asked is done:
            self.ledger.record(ids, market_orders, done, OrderStatus.FILLED, "")
            return
        whole = MarketOrders(market_orders.sids, asked, market_orders.tags)
        is_scaled, is_trimmed = done != asked, trimmed(asked, done)
        n_scaled = np.count_nonzero(is_scaled)
        if n_scaled == len(ids) == np.count_nonzero(is_trimmed):  # by one factor, near to 1
            self.ledger.record(ids, whole, done, OrderStatus.FILLED, TRIMMED)
            return
        self._record(~is_scaled, ids, whole, done, OrderStatus.FILLED, "")
        self._record(is_scaled & is_trimmed, ids, whole, done, OrderStatus.FILLED, TRIMMED)
        self._record(is_scaled & ~is_trimmed, ids, whole, done, OrderStatus.PARTIAL, why_scaled)

    def _record(
        self,
        which: Bools,
        ids: Ints,
        market_orders: MarketOrders,
        done: Floats,
        status: OrderStatus,
        reason: str,
    ) -> None:
        """Record those orders that ended in one way; most of the time it is all or none."""
        n = np.count_nonzero(which)
        if n == len(ids):
            self.ledger.record(ids, market_orders, done, status, reason)
        elif n:
            some = market_orders.where(which)
            self.ledger.record(ids[which], some, done[which], status, reason)

    def fill_free(self, batch: Batch, market_orders: MarketOrders, price: Floats) -> None:
        """Fill market orders of this very bar at a price without any costs."""
        ids, created_t = self._journal.new_ids(len(market_orders)), self.ledger.created_t
        self._executor.fill_free(
            batch.t, ids, market_orders.sids, market_orders.quantity, price, market_orders.tags
        )
        self.ledger.created_t = batch.t
        self.ledger.record(ids, market_orders, market_orders.quantity, OrderStatus.FILLED, "")
        self.ledger.created_t = created_t
