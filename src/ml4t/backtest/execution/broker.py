"""SimulationBroker: queued orders fill at the open, protective levels inside the bar.

The order inside a bar is fixed (see the clock in the README): risk exits, sells, buys at the
open; then stops and targets that rest. Every exit is checked against the live quantity, so two
reasons to leave one position never make a short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Batch, Floats, Ints, Selection
from ml4t.backtest.core.fills import Fills, Orders, OrderStatus, OrderType
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.execution.account import CashAccount
from ml4t.backtest.execution.costs import Commission, Slippage
from ml4t.backtest.portfolio.portfolio import Portfolio

FILL_POLICY = (
    "orders decided at a close fill at the next open (risk exits, sells, buys), "
    "then stops and targets act inside the bar"
)
REBALANCE = "rebalance"
# A change below this share of the position is rounding, not a decision.
SMALLEST_CHANGE = 1e-9
# What scaled buys leave in cash, so that rounding cannot take it below zero.
CASH_MARGIN = 1e-14
# Cash for less than this share of what the buys need is no cash: dust is not worth an order.
SMALLEST_SHARE = 1e-6
# Steps in which minimum charges must have been fitted in; proportional costs take one.
MOST_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Protective levels of some held assets; NaN where there is none.

    Attributes
    ----------
    set_t : int
        Bar at which they were set.
    stop, target : float array
        Prices, as long as `sids`.
    stop_rule, target_rule : int array
        Index of the rule that gave each level, -1 where there is none.
    """

    set_t: int
    sids: Ints
    stop: Floats
    target: Floats
    stop_rule: Ints
    target_rule: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Levels that were touched inside a bar and closed their position."""

    sids: Ints
    is_stop: NDArray[np.bool_]
    rule: Ints
    level: Floats


class SimulationBroker:
    """Fills market orders and protective levels against the bars of a chunk.

    Parameters
    ----------
    portfolio : Portfolio
        Moved by every fill.
    commission, slippage : Commission, Slippage
    account : CashAccount
    journal : Journal
        Receives every order with its end.
    rule_names : sequence of str
        Names behind the rule indices of `Levels`.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        *,
        commission: Commission,
        slippage: Slippage,
        account: CashAccount,
        journal: Journal,
        rule_names: tuple[str, ...] = (),
    ) -> None:
        n_assets = len(portfolio.quantity)
        self._portfolio = portfolio
        self._commission, self._slippage = commission, slippage
        self._account = account
        self._journal = journal
        self._rule_names = rule_names
        self._queued_t = -1
        self._targets: Selection | None = None
        self._exits: Ints = np.empty(0, dtype=np.int64)
        self._exit_rules: tuple[str, ...] = ()
        self._stop = np.full(n_assets, np.nan)
        self._target = np.full(n_assets, np.nan)
        self._stop_rule = np.full(n_assets, -1, dtype=np.int64)
        self._target_rule = np.full(n_assets, -1, dtype=np.int64)
        self._level_t = np.full(n_assets, -1, dtype=np.int64)
        self._has_levels = self._has_targets = False

    # -- orders, decided at the close -------------------------------------------------

    def order_targets(self, t: int, selection: Selection) -> None:
        """Queue a rebalance: target weights for the next open, zero for all else held."""
        self._queued_t, self._targets = t, selection

    def order_exits(self, t: int, sids: Ints, rules: tuple[str, ...]) -> None:
        """Queue exits of whole positions at the next open; `rules` names why, per asset.

        An asset that is queued already keeps its first reason, so that no position is sold twice.
        """
        self._queued_t = t
        reasons = dict(zip(self._exits.tolist(), self._exit_rules, strict=True))
        for sid, rule in zip(sids.tolist(), rules, strict=True):
            if self._portfolio.quantity[sid] != 0:
                reasons.setdefault(sid, rule)
        self._exits = np.array(sorted(reasons), dtype=np.int64)
        self._exit_rules = tuple(reasons[sid] for sid in self._exits.tolist())

    def set_levels(self, levels: Levels) -> None:
        """Replace the protective levels of `levels.sids`."""
        sids = levels.sids
        self._stop[sids], self._target[sids] = levels.stop, levels.target
        self._stop_rule[sids], self._target_rule[sids] = levels.stop_rule, levels.target_rule
        self._level_t[sids] = levels.set_t
        self._has_levels = True
        self._has_targets = self._has_targets or bool((levels.target_rule >= 0).any())

    # -- the bar ----------------------------------------------------------------------

    def fill_open(self, batch: Batch) -> Ints:
        """Fill what was queued at the last close; return the assets opened from flat."""
        targets, exits, rules = self._targets, self._exits, self._exit_rules
        if targets is None and not len(exits):
            return exits
        self._targets, self._exits, self._exit_rules = None, np.empty(0, dtype=np.int64), ()
        # Taken once, before any fill of this bar: the base of every target weight.
        equity = self._portfolio.equity_at(batch.open)
        before = self._portfolio.held
        if len(exits):
            self._exit_at_open(batch, exits, rules)
        if targets is None:
            return np.empty(0, dtype=np.int64)
        return self._rebalance(batch, targets, np.union1d(before, targets.sids), exits, equity)

    def fill_levels(self, batch: Batch) -> Touched | None:
        """Close positions whose stop or target traded inside the bar.

        A stop and a target in one bar: the stop, the worse of the two. An open beyond a level
        fills at the open; on the entry bar the open is already past, so only the rest of the
        bar can touch a level.
        """
        if not self._has_levels or batch.low is None or batch.high is None:
            return None
        held = self._portfolio.held
        low, high = batch.low[held], batch.high[held]
        # NaN compares false: no bar or no level, no touch.
        touched = low <= self._stop[held]
        if self._has_targets:
            touched |= high >= self._target[held]
        if not touched.any():
            return None
        sids = held[touched]
        opens, low, high = batch.open[sids], low[touched], high[touched]
        stop, target = self._stop[sids], self._target[sids]
        is_entry = self._portfolio.entry_t[sids] == batch.t
        is_stop = (low <= stop) & (is_entry | ~(opens >= target))
        # The level, or the open where the bar opened beyond it.
        trigger = np.where(is_stop, np.fmin(opens, stop), np.fmax(opens, target))
        worse = self._slippage.fill_price(trigger, -1.0)
        # A target is a limit: never filled below its level.
        price = np.where(is_stop, worse, np.fmax(target, worse))
        rule = np.where(is_stop, self._stop_rule[sids], self._target_rule[sids])
        level = np.where(is_stop, stop, target)
        for kind, mask in ((OrderType.STOP, is_stop), (OrderType.LIMIT, ~is_stop)):
            if mask.any():
                self._fill(
                    batch.t,
                    sids[mask],
                    -self._portfolio.quantity[sids[mask]],
                    price=price[mask],
                    base=trigger[mask],
                    reason=tuple(self._rule_names[i] for i in rule[mask].tolist()),
                    created_t=self._level_t[sids[mask]],
                    order_type=kind,
                    level=level[mask],
                )
        return Touched(sids=sids, is_stop=is_stop, rule=rule, level=level)

    def expire(self) -> None:
        """End what is still queued after the last bar."""
        if len(self._exits):
            self._end(self._exits, OrderStatus.EXPIRED, "end of data", self._exit_rules)
        if self._targets is not None:
            sids = np.union1d(self._portfolio.held, self._targets.sids)
            sids = sids[~np.isin(sids, self._exits)]
            self._end(sids, OrderStatus.EXPIRED, "end of data")

    # -- fills ------------------------------------------------------------------------

    def _exit_at_open(self, batch: Batch, sids: Ints, rules: tuple[str, ...]) -> None:
        has_bar = ~np.isnan(batch.open[sids])
        if not has_bar.all():
            why = tuple(rule for rule, ok in zip(rules, has_bar, strict=True) if not ok)
            self._end(sids[~has_bar], OrderStatus.REJECTED, "no bar", why)
            rules = tuple(rule for rule, ok in zip(rules, has_bar, strict=True) if ok)
            sids = sids[has_bar]
        if len(sids):
            self._fill_market(batch, sids, -self._portfolio.quantity[sids], -1.0, rules)

    def _rebalance(
        self, batch: Batch, targets: Selection, sids: Ints, exits: Ints, equity: float
    ) -> Ints:
        weights = np.zeros(len(sids))
        weights[np.searchsorted(sids, targets.sids)] = targets.weights
        if len(exits):
            # The exit wins: selling and buying back at one open would only pay costs.
            leaving = np.isin(sids, exits)
            wanted = leaving & (weights > 0)
            self._end(sids[wanted], OrderStatus.DENIED, "risk exit pending")
            sids, weights = sids[~leaving], weights[~leaving]
        price = batch.open[sids]
        missing = np.isnan(price)
        if missing.any():
            self._end(sids[missing], OrderStatus.REJECTED, "no bar")
            sids, weights, price = sids[~missing], weights[~missing], price[~missing]
        live = self._portfolio.quantity[sids]
        # A cash account never shorts, not even one whose overdraft ate its equity.
        target = weights * max(equity, 0.0) / price
        change = target - live
        is_real = np.abs(change) > SMALLEST_CHANGE * np.maximum(np.abs(target), np.abs(live))
        sells, buys = is_real & (change < 0), is_real & (change > 0)
        if sells.any():
            self._fill_market(batch, sids[sells], change[sells], -1.0)
        if buys.any():
            return self._buy(batch, sids[buys], change[buys])
        return np.empty(0, dtype=np.int64)

    def _buy(self, batch: Batch, sids: Ints, quantity: Floats) -> Ints:
        """Fill buys within the cash that is there, costs reserved; return what was opened."""
        price = self._slippage.fill_price(batch.open[sids], 1.0)
        available = self._portfolio.cash + self._account.overdraft
        asked = quantity
        if self._account.reserve_costs:
            share = self._share_that_fits(quantity, price, available)
            quantity = quantity * share
            fits = np.full(len(sids), share >= SMALLEST_SHARE)
        else:
            cost = quantity * price + self._commission.charge(quantity, price)
            fits = _fits_in_turn(cost, available)
        if not fits.all():
            self._end(sids[~fits], OrderStatus.REJECTED, "insufficient cash", quantity=asked[~fits])
            sids, quantity, asked = sids[fits], quantity[fits], asked[fits]
        if not len(sids):
            return sids
        return self._fill_market(batch, sids, quantity, 1.0, asked=asked)

    def _share_that_fits(self, quantity: Floats, price: Floats, available: float) -> float:
        """Return the one factor for all buys, so that no asset is starved because of its name.

        The last digits are given away so that rounding cannot take cash below zero. One step
        is enough where costs are proportional; minimum charges take a few more.
        """
        share = 1.0
        for _ in range(MOST_STEPS):
            charge = self._commission.charge(quantity * share, price)
            required = float((quantity * share * price + charge).sum())
            if required <= available:
                return share
            share *= max(available, 0.0) * (1 - CASH_MARGIN) / required
            if share < SMALLEST_SHARE:
                break
        return 0.0  # the charges alone eat the cash

    def _fill_market(
        self,
        batch: Batch,
        sids: Ints,
        quantity: Floats,
        side: float,
        rules: tuple[str, ...] | None = None,
        asked: Floats | None = None,
    ) -> Ints:
        base = batch.open[sids]
        return self._fill(
            batch.t,
            sids,
            quantity,
            price=self._slippage.fill_price(base, side),
            base=base,
            reason=rules if rules is not None else (REBALANCE,) * len(sids),
            created_t=self._queued_t,
            order_type=OrderType.MARKET,
            asked=asked,
        )

    def _fill(
        self,
        t: int,
        sids: Ints,
        quantity: Floats,
        *,
        price: Floats,
        base: Floats,
        reason: tuple[str, ...],
        created_t: int | Ints,
        order_type: OrderType,
        level: Floats | None = None,
        asked: Floats | None = None,
    ) -> Ints:
        fills = Fills(
            t=t,
            sids=sids,
            quantity=quantity,
            price=price,
            commission=self._commission.charge(quantity, price),
            slippage=np.abs(quantity) * np.abs(price - base),
            reason=reason,
        )
        orders = Orders(
            created_t=created_t,
            sids=sids,
            quantity=quantity if asked is None else asked,
            filled=quantity,
            order_type=order_type,
            status=OrderStatus.FILLED,
            reason="",
            tag=reason,
            level=level,
        )
        self._journal.order(orders, fills)
        opened = self._portfolio.apply(fills)
        gone = sids[self._portfolio.quantity[sids] == 0]
        self._stop[gone] = self._target[gone] = np.nan
        return opened

    def _end(
        self,
        sids: Ints,
        status: OrderStatus,
        reason: str,
        tag: tuple[str, ...] | None = None,
        quantity: Floats | None = None,
    ) -> None:
        """Record orders that ended without a fill."""
        if len(sids):
            orders = Orders(
                created_t=self._queued_t,
                sids=sids,
                quantity=np.full(len(sids), np.nan) if quantity is None else quantity,
                filled=np.zeros(len(sids)),
                order_type=OrderType.MARKET,
                status=status,
                reason=reason,
                tag=tag if tag is not None else (REBALANCE,) * len(sids),
            )
            self._journal.order(orders)


def _fits_in_turn(cost: Floats, available: float) -> NDArray[np.bool_]:
    """Say which buys fit, each in turn, into what the ones before it left."""
    fits = np.zeros(len(cost), dtype=bool)
    for i, amount in enumerate(cost.tolist()):
        if amount <= available:
            fits[i] = True
            available -= amount
    return fits
