"""WaitingOrders: what stands after the last bar, for the bar that the data do not have yet.

Exits of rules, what target weights change, single orders and protective levels, in the order in
which that bar would meet them. Target weights that are sized when they fill have no shares yet:
they are shown as they would be if the next prices were the last closes known.
"""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Floats, Ints
from ml4t.backtest.core.event import NAN
from ml4t.backtest.core.orders import TimeInForce, Waiting
from ml4t.backtest.core.sids import union, without
from ml4t.backtest.execution.account.rules import Account
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.book import OrderBook
from ml4t.backtest.execution.orders.level_book import ORDER_TYPES, TARGET
from ml4t.backtest.execution.orders.order import Order
from ml4t.backtest.execution.orders.types import MARKET
from ml4t.backtest.execution.pending.exits import exit_quantity
from ml4t.backtest.execution.pending.no_trade_band import PassedOver
from ml4t.backtest.execution.pending.protective_orders import ProtectiveOrders
from ml4t.backtest.execution.pending.rebalance import REBALANCE, Rebalance, change_to, sized


class WaitingOrders:
    """Reads what waits; changes and ends none of it.

    Parameters
    ----------
    executor : Executor
    account : Account
    protective : ProtectiveOrders
        Its queue has exits and target weights, its levels those in force.
    book : OrderBook
    rule_names : tuple of str
        Names behind the rule indices of levels.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        account: Account,
        protective: ProtectiveOrders,
        book: OrderBook,
        rule_names: tuple[str, ...],
    ) -> None:
        self._executor, self._portfolio = executor, executor.portfolio
        self._pending, self._levels = protective.pending, protective.levels
        self._account, self._book, self._rule_names = account, book, rule_names

    def after(self, batch: Batch) -> list[Waiting]:
        """Return what waits after the bar `batch`, the last one."""
        known = _Known(self._portfolio.quantity, self._portfolio.mark, batch)
        exits = self._pending.pending
        sids = np.array(sorted(exits), dtype=np.int64)
        shares = np.array([exits[sid][1] for sid in sids.tolist()])
        leaving = exit_quantity(self._executor, sids, shares)
        rows = [
            _at_market("exit", sid, quantity, t=batch.t, tag=exits[sid][0])
            for sid, quantity in zip(sids.tolist(), leaving.tolist(), strict=True)
        ]
        rebalance = self._pending.waiting_rebalance
        if rebalance is not None:
            live = self._portfolio.quantity.copy()
            live[sids] += leaving
            equity = self._portfolio.equity_at(batch.close)
            rows += self._targets(known, rebalance, live, equity)
        rows += map(_single, self._book.all())
        rows += self._levels_in_force()
        return [known.beside(one) for one in rows]

    def _levels_in_force(self) -> list[Waiting]:
        # What a rule leaves at the next open is past its levels.
        held = without(self._portfolio.held, self._pending.leaving())
        levels = self._levels
        return [
            Waiting(
                kind="level",
                sid=sid,
                created_t=levels.set_t(sid),
                quantity=levels.closing(sid, level.kind),
                order_type=ORDER_TYPES[level.kind],
                limit=level.level if level.kind == TARGET else None,
                stop=None if level.kind == TARGET else level.level,
                time_in_force=TimeInForce.GTC,
                tag=self._rule_names[level.rule],
            )
            for sid in held.tolist()
            for level in levels.of(sid)
        ]

    def _targets(
        self, known: _Known, rebalance: Rebalance, live: Floats, equity: float
    ) -> list[Waiting]:
        """Return what target weights change where exits leave `live`, by sid; see `Rebalancer`."""
        sids, weights, wanted = self._wanted(known, rebalance, equity)
        change, is_real = change_to(self._executor, sids, wanted, live[sids])
        if rebalance.no_trade_band:
            value = np.abs(change) * known.price[sids] * self._executor.terms.multiplier[sids]
            # Counts of its own: those of the run are of what it weighed.
            is_real &= PassedOver().allows(
                rebalance.no_trade_band, wanted, live[sids], value, max(equity, 0.0)
            )
        shown = np.flatnonzero(is_real | np.isnan(wanted))
        return [
            _at_market("target", sid, quantity, t=rebalance.t, tag=REBALANCE, weight=weight)
            for sid, quantity, weight in zip(
                sids[shown].tolist(), change[shown].tolist(), weights[shown].tolist(), strict=True
            )
        ]

    def _wanted(
        self, known: _Known, rebalance: Rebalance, equity: float
    ) -> tuple[Ints, Floats, Floats]:
        """Return assets, their target weights, and the shares that these are."""
        rebalance = rebalance.without(rebalance.untouched)
        targets = rebalance.targets
        sids = without(union(self._portfolio.held, targets.sids), rebalance.untouched)
        place, weights = np.searchsorted(sids, targets.sids), np.zeros(len(sids))
        weights[place] = targets.weights
        # No target buys back what a rule leaves.
        stays = ~(np.isin(sids, list(self._pending.pending)) & (weights != 0))
        if not self._account.can_short:
            weights = np.maximum(weights, 0.0)
        if rebalance.quantity is None:
            wanted = sized(self._executor, sids, weights, known.price[sids], equity)
            wanted = np.where(weights == 0, 0.0, wanted)
        else:
            wanted = np.zeros(len(sids))
            wanted[place] = rebalance.quantity
            wanted = np.where((weights == 0) & ~np.isnan(wanted), 0.0, wanted)
        return sids[stays], weights[stays], wanted[stays]


class _Known:
    """What is known of each asset after the last bar."""

    def __init__(self, quantity: Floats, mark: Floats, batch: Batch) -> None:
        self._quantity, self._t = quantity, batch.t
        self._has_bar = ~np.isnan(batch.close)
        # The mark of what is not held is none of its prices.
        self.price = np.where(self._has_bar, batch.close, np.where(quantity != 0, mark, np.nan))

    def beside(self, one: Waiting) -> Waiting:
        """Return a row with what is known of its asset."""
        return one._replace(
            held=float(self._quantity[one.sid]),
            price=float(self.price[one.sid]),
            price_t=self._t if self._has_bar[one.sid] else -1,
        )


def _at_market(
    kind: str, sid: int, quantity: float, *, t: int, tag: str, weight: float = NAN
) -> Waiting:
    """Return the row of what gets its number when it fills."""
    return Waiting(
        kind=kind, sid=sid, created_t=t, quantity=quantity, order_type=MARKET,
        time_in_force=TimeInForce.DAY, tag=tag, weight=weight,
    )  # fmt: skip


def _single(order: Order) -> Waiting:
    """Return the row of an order of the strategy."""
    return Waiting(
        kind="order",
        sid=order.sid,
        order_id=order.order_id,
        parent_id=-1 if order.parent is None else order.parent.order_id,
        created_t=order.created_t,
        quantity=order.left,
        order_type=order.order_type,
        limit=order.limit,
        stop=order.stop_level(),
        time_in_force=order.time_in_force,
        tag=order.tag,
    )
