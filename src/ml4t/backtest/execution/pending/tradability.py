"""Tradability: what can trade at a moment, and why the rest cannot."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.tolerances import WHOLE
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import EXPIRED
from ml4t.backtest.execution.orders.market_orders import MarketOrderLedger, MarketOrders

NO_BAR, NO_VOLUME, NO_PRICE = "no bar", "no volume", "no price"
NO_BORROW, MIN_HOLDING = "not available to borrow", "minimum holding"


class Tradability:
    """Lets market orders pass that can trade, and ends the others as rejected.

    Parameters
    ----------
    executor : Executor
    ledger : MarketOrderLedger
        Records what was rejected.
    """

    def __init__(self, executor: Executor, ledger: MarketOrderLedger) -> None:
        self._executor, self._ledger = executor, ledger
        self._limits = executor.price_limits
        # By sid: 1 where shares are lent, 0 where not, NaN where nothing was ever known.
        self._lent: Floats | None = None
        # By sid: how many shares can be borrowed in all, NaN: any number.
        self._located: Floats | None = None
        self._expired = set[int]()

    def priced(self, batch: Batch, prices: Floats, market_orders: MarketOrders) -> MarketOrders:
        """Return the market orders whose asset has a price: a bar, and volume in it."""
        if self._expired:
            is_over = np.isin(market_orders.sids, sorted(self._expired))
            self._reject(market_orders, is_over, EXPIRED)
            market_orders = market_orders.where(~is_over)
        missing = np.isnan(prices[market_orders.sids])
        if not missing.any():
            return market_orders
        has_close = ~np.isnan(batch.close[market_orders.sids])
        has_volume = ~np.isnan(batch.traded[market_orders.sids])
        self._reject(market_orders, missing & ~has_close, NO_BAR)
        self._reject(market_orders, missing & has_close & ~has_volume, NO_VOLUME)
        self._reject(market_orders, missing & has_volume, NO_PRICE)
        return market_orders.where(~missing)

    def unlocked(self, batch: Batch, prices: Floats, market_orders: MarketOrders) -> MarketOrders:
        """Return the market orders that no price limit of the exchange locks out."""
        for name in self._limits.named(batch):
            if len(market_orders):
                is_locked = self._locked(batch, name, prices, market_orders)
                self._reject(market_orders, is_locked, name.replace("_", " "))
                market_orders = market_orders.where(~is_locked)
        return market_orders

    def can_trade(self, batch: Batch, prices: Floats, market_orders: MarketOrders) -> Bools:
        """Say which market orders have a price and are not locked out; ends none of them."""
        can: Bools = ~np.isnan(prices[market_orders.sids])
        for name in self._limits.named(batch):
            can &= ~self._locked(batch, name, prices, market_orders)
        return can

    def why_not(self, batch: Batch, prices: Floats, sid: int, side: float) -> str:
        """Return why a side of one asset cannot trade at these prices, empty where it can."""
        if sid in self._expired:
            return EXPIRED
        if np.isnan(prices[sid]):
            if np.isnan(batch.close[sid]):
                return NO_BAR
            return NO_VOLUME if np.isnan(batch.traded[sid]) else NO_PRICE
        why = self._limits.why(batch, sid, side, float(prices[sid]))
        return why or (MIN_HOLDING if self._executor.is_held_back(sid, side) else "")

    def borrowable(self, market_orders: MarketOrders) -> MarketOrders:
        """Return the market orders that need no borrowed shares, or can have them."""
        can = self.can_borrow(market_orders.sids, market_orders.quantity)
        self._reject(market_orders, ~can, NO_BORROW)
        return market_orders.where(can)

    def can_borrow(self, sids: Ints, quantity: Floats) -> Bools:
        """Say which increases are no short sales, or of shares that were known to be lent.

        A share whose fee was never known cannot be borrowed, where a ``borrow`` source is
        registered; nor more of them than were located, together with what is short.
        """
        if self._lent is None:
            return np.ones(len(sids), dtype=bool)
        can: Bools = (quantity > 0) | (self._lent[sids] == 1)
        if self._located is not None:
            short = -np.minimum(self._executor.portfolio.quantity[sids], 0.0) - quantity
            can &= (quantity > 0) | ~(short > self._located[sids] * (1 + WHOLE))
        return can | self._executor.portfolio.margined(sids)

    def learn(self, batch: Batch) -> None:
        """Take what is known at a close of shares to borrow; what is missing stays as it was."""
        fee = batch.lending.get("fee")
        if fee is None:
            return
        before = np.full(len(fee), np.nan) if self._lent is None else self._lent
        available = batch.lending.get("available")
        # A NULL says nothing against it; false does.
        lent = np.ones(len(fee)) if available is None else available != 0
        self._lent = np.where(np.isnan(fee), before, lent)
        located = batch.lending.get("shares")
        if located is not None:
            known = np.full(len(fee), np.nan) if self._located is None else self._located
            self._located = np.where(np.isnan(fee), known, located)

    def end_contract(self, sid: int) -> None:
        """Reject what is ordered of a contract from now on, which has expired."""
        self._expired.add(sid)

    def without_expired(self, prices: Floats) -> Floats:
        """Return prices of which contracts that expired at this very close have none."""
        if not self._expired:
            return prices
        prices = prices.copy()
        prices[sorted(self._expired)] = np.nan
        return prices

    def rename(self, old: int, new: int) -> None:
        """Let what is known of an asset stand for what it became, until that has its own."""
        if self._lent is not None and np.isnan(self._lent[new]):
            self._lent[new] = self._lent[old]
            if self._located is not None:
                self._located[new] = self._located[old]

    def _locked(
        self, batch: Batch, name: str, prices: Floats, market_orders: MarketOrders
    ) -> Bools:
        sids = market_orders.sids
        return self._limits.locked(batch, name, sids, market_orders.quantity, prices[sids])

    def _reject(self, market_orders: MarketOrders, which: Bools, reason: str) -> None:
        if which.any():
            self._ledger.end(market_orders.where(which), OrderStatus.REJECTED, reason)
