"""Rebalancer: what target weights change at the prices of a moment, and its fill."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.orders import OrderStatus
from ml4t.backtest.core.sids import union, without
from ml4t.backtest.core.tolerances import LEAST_SHARE
from ml4t.backtest.execution.account.buying_power import fit
from ml4t.backtest.execution.account.rules import Account
from ml4t.backtest.execution.account.submission import fitting_changes
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import OrderBook
from ml4t.backtest.execution.orders.market_orders import MarketOrders, unsized
from ml4t.backtest.execution.pending.market_filler import MarketOrderFiller
from ml4t.backtest.execution.pending.no_trade_band import PassedOver
from ml4t.backtest.execution.pending.order_filler import CANNOT_SHORT
from ml4t.backtest.execution.pending.rebalance import (
    BELOW_LOT,
    REBALANCE,
    Rebalance,
    change_to,
    sized,
)
from ml4t.backtest.execution.pending.tradability import NO_BAR, Tradability
from ml4t.backtest.portfolio.water_marks import Seen


class Rebalancer:
    """Turns target weights into changes, and fills them: reductions first, increases last.

    Parameters
    ----------
    executor : Executor
    book : OrderBook
        Told to close the orphans of what was reduced.
    account : Account
    tradability, market_filler
        Of the market orders that targets become.
    passed_over : PassedOver
        Counts the changes that are not made.
    """

    def __init__(
        self,
        executor: Executor,
        book: OrderBook,
        account: Account,
        tradability: Tradability,
        market_filler: MarketOrderFiller,
        passed_over: PassedOver,
    ) -> None:
        self._executor, self._portfolio, self._book = executor, executor.portfolio, book
        self._account, self._tradability, self._passed_over = account, tradability, passed_over
        self._market_filler, self._ledger = market_filler, market_filler.ledger
        # Reductions and increases are priced and booked as one where no order is another for those
        # before it: cash, which sales bring at once, is all that ties them together.
        self._fills_whole = (
            not (account.can_short or account.is_margin or executor.settlement.is_late)
            and executor.policy.participation is None
            and executor.holding is None
            and executor.pricing.spans_bars
            # What is sold of a contract frees its margin, and brings nothing.
            and not executor.portfolio.settles_daily
        )

    def changes(
        self,
        batch: Batch,
        prices: Floats,
        rebalance: Rebalance,
        *,
        before: Ints,
        leaving: Collection[int],
        equity: float,
    ) -> tuple[Ints, Floats]:
        """Return what target weights change, after refusing what cannot trade or does not fit.

        Parameters
        ----------
        prices : float array, by sid
            NaN: the asset cannot trade.
        before : int array
            Assets held before any fill of this moment.
        leaving : collection of int
            Assets that a rule has left, or is to leave: no target buys them back.
        equity : float
            The base of every target weight, account currency.

        Returns
        -------
        tuple of int array and float array
            Assets, and the signed shares by which each changes.
        """
        self._ledger.created_t = rebalance.t
        sids, change = self._wanted(batch, prices, rebalance, before, leaving, equity)
        return self._submitted(batch, sids, change)

    def change(self, batch: Batch, prices: Floats, sids: Ints, change: Floats, seen: Seen) -> bool:
        """Fill reductions and increases as one event; say whether that was possible."""
        executor, portfolio = self._executor, self._portfolio
        closes = portfolio.quantity[sids] * change < 0
        n = int(np.count_nonzero(closes))
        is_plain = self._fills_whole and not (self._book or portfolio.has_shorts)
        if not (is_plain and 0 < n < len(sids)) or executor.price_limits.named(batch):
            return False
        in_turn = (~closes).argsort(kind="stable")
        sids, change = sids[in_turn], change[in_turn]
        base = prices[sids]
        priced = executor.pricing.priced(batch, sids, change, base)
        sales, buys = priced.at(slice(n)), priced.at(slice(n, None))
        asked = buys.quantity
        fitted, paying = fit(
            self._account, executor, batch, prices, sids[n:], asked,
            portfolio.spent_on(sids[:n], sales.quantity, sales.paid, sales.charge), priced=buys,
        )  # fmt: skip
        if fitted is not asked:
            if np.count_nonzero(np.abs(fitted) > LEAST_SHARE * np.abs(asked)) < len(asked):
                return False
            if paying is None:
                paying = executor.pricing.priced(batch, sids[n:], fitted, base[n:])
            priced = sales.then(paying)
        self._market_filler.fill_whole(
            batch, MarketOrders(sids[:n], sales.quantity, REBALANCE),
            MarketOrders(sids[n:], fitted, REBALANCE), base, priced, asked=asked,
            why_scaled=f"cut: {self._account.lacks}", seen=seen,
        )  # fmt: skip
        return True

    def reduce(
        self, batch: Batch, prices: Floats, sids: Ints, change: Floats
    ) -> tuple[Ints, Floats]:
        """Fill what only reduces positions; return assets with what is left of their changes."""
        live = self._portfolio.quantity[sids]
        closes = live * change < 0
        if np.count_nonzero(closes):
            reduction, stays = change[closes], ~closes
            if self._account.can_short or self._portfolio.has_shorts:
                # A position that is turned over is left first.
                most = -live[closes]
                is_turned = np.abs(reduction) > np.abs(most)
                stays[closes] = is_turned
                change = change.copy()
                reduction = np.where(is_turned, most, reduction)
                change[closes] -= reduction
            market_orders = MarketOrders(sids[closes], reduction, REBALANCE)
            market_orders = self._tradability.unlocked(batch, prices, market_orders)
            self._market_filler.fill(batch, prices, market_orders)
            sids, change = sids[stays], change[stays]
        # At once: what is bought back at this very moment is another position.
        self._book.close_orphans(self._portfolio)
        return sids, change

    def increase(
        self, batch: Batch, prices: Floats, sids: Ints, quantity: Floats, seen: Seen
    ) -> None:
        """Open and add within what the account can carry, costs reserved."""
        market_orders = MarketOrders(sids, quantity, REBALANCE)
        market_orders = self._tradability.unlocked(batch, prices, market_orders)
        if self._account.can_short:
            market_orders = self._tradability.borrowable(market_orders)
        if not len(market_orders):
            return
        # The bar's volume first: what cannot trade needs no cash.
        asked = market_orders.quantity
        capped, waits = self._executor.fillable(market_orders.sids, asked)
        fitted, priced = fit(
            self._account, self._executor, batch, prices, market_orders.sids, capped,
            self._executor.settlement.unsettled(batch.t),
        )  # fmt: skip
        if fitted is asked:  # neither volume nor account cut anything
            self._market_filler.fill(batch, prices, market_orders, seen=seen, priced=priced)
            return
        market_orders = MarketOrders(market_orders.sids, fitted, REBALANCE)
        fits, is_capped = np.abs(fitted) > LEAST_SHARE * np.abs(capped), None
        if capped is not asked:
            fits, is_capped = fits | (capped == 0), capped != asked
        if np.count_nonzero(fits) < len(fits):
            whole = MarketOrders(market_orders.sids, asked, REBALANCE)
            self._ledger.end(whole.where(~fits), OrderStatus.REJECTED, self._account.lacks)
            market_orders, asked, priced = market_orders.where(fits), asked[fits], None
            is_capped = is_capped if is_capped is None else is_capped[fits]
            waits = waits if waits is None else waits[fits]
        self._market_filler.fill(
            batch, prices, market_orders, asked=asked, is_capped=is_capped, waits=waits, seen=seen,
            why_scaled=f"cut: {self._account.lacks}", priced=priced,
        )  # fmt: skip

    def _wanted(
        self,
        batch: Batch,
        prices: Floats,
        rebalance: Rebalance,
        before: Ints,
        leaving: Collection[int],
        equity: float,
    ) -> tuple[Ints, Floats]:
        """Return what target weights change, after refusing what cannot trade."""
        sids = union(before, rebalance.targets.sids)
        if len(rebalance.untouched):
            sids = without(sids, rebalance.untouched)
            rebalance = rebalance.without(rebalance.untouched)
        targets, quantities = rebalance.targets, rebalance.quantity
        weights = np.zeros(len(sids))
        place = sids.searchsorted(targets.sids)
        weights[place] = targets.weights
        wanted = weights
        if quantities is not None:
            wanted = np.zeros(len(sids))
            wanted[place] = quantities
        if leaving:
            # The exit wins: selling and buying back at one open would only pay costs. Selling
            # what a partial exit leaves is another matter.
            is_leaving = np.isin(sids, np.fromiter(leaving, dtype=np.int64)) & (weights != 0)
            self._end(sids[is_leaving], OrderStatus.DENIED, "risk exit pending")
            sids, weights, wanted = sids[~is_leaving], weights[~is_leaving], wanted[~is_leaving]
        price = prices[sids]
        if np.count_nonzero(np.isnan(price)):
            market_orders = self._tradability.priced(batch, prices, unsized(sids, REBALANCE))
            can = np.isin(sids, market_orders.sids)
            sids, weights, wanted, price = sids[can], weights[can], wanted[can], price[can]
        if quantities is not None and np.count_nonzero(unpriced := np.isnan(wanted)):
            # no close to size it by when it was decided
            self._end(sids[unpriced], OrderStatus.REJECTED, NO_BAR)
            sids, weights, wanted = sids[~unpriced], weights[~unpriced], wanted[~unpriced]
            price = price[~unpriced]
        if not self._account.can_short and np.count_nonzero(short := weights < 0):
            self._end(sids[short], OrderStatus.REJECTED, CANNOT_SHORT)
            weights, wanted = np.where(short, 0.0, weights), np.where(short, 0.0, wanted)
        if quantities is None:
            wanted = sized(self._executor, sids, weights, price, equity)
        live = self._portfolio.quantity[sids]
        if self._executor.has_lots and equity > 0:
            self._end_below_lot(sids, weights, wanted, live)
        change, is_real = change_to(self._executor, sids, wanted, live)
        sids, change = sids[is_real], change[is_real]
        if not rebalance.no_trade_band:
            return sids, change
        value = np.abs(change) * price[is_real] * self._executor.terms.multiplier[sids]
        is_made = self._passed_over.allows(
            rebalance.no_trade_band, wanted[is_real], live[is_real], value, max(equity, 0.0)
        )
        return sids[is_made], change[is_made]

    def _submitted(self, batch: Batch, sids: Ints, change: Floats) -> tuple[Ints, Floats]:
        """Return the changes that fit at their decision, where the account looks at that."""
        if not self._account.checks_submission or not len(sids):
            return sids, change
        fits = fitting_changes(self._executor, batch, sids, change)
        refused = MarketOrders(sids[~fits], change[~fits], REBALANCE)
        self._ledger.end(refused, OrderStatus.REJECTED, self._account.lacks)
        return sids[fits], change[fits]

    def _end_below_lot(self, sids: Ints, weights: Floats, wanted: Floats, live: Floats) -> None:
        """Record weights that are no lot, where nothing is held that they would close."""
        is_none = (weights != 0) & (live == 0) & (self._executor.whole(sids, wanted) == 0)
        if is_none.any():
            self._end(sids[is_none], OrderStatus.REJECTED, BELOW_LOT)

    def _end(self, sids: Ints, status: OrderStatus, reason: str) -> None:
        """Record targets that were never sized."""
        self._ledger.end(unsized(sids, REBALANCE), status, reason)
