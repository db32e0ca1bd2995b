"""Submission check: whether the orders of one close fit, before any of them fills.

Some brokers test each order against the cash of the close at which it was decided, one after
the other, sales adding and purchases taking; what the next open brings is not known yet.
"""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Floats, Ints
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.orders.order import Order


def fitting_changes(executor: Executor, batch: Batch, sids: Ints, change: Floats) -> Bools:
    """Say which changes of a rebalance fit: sales first, then purchases, each in asset order."""
    cost = _cost(executor, batch, sids, change, _decided(executor, sids))
    order = np.argsort(change > 0, kind="stable")
    fits = np.empty(len(sids), dtype=bool)
    # An order that did not fit is not paid back: what follows it finds even less.
    fits[order] = executor.portfolio.settled_cash - np.cumsum(cost[order]) >= 0
    return fits


def fitting_orders(executor: Executor, batch: Batch, orders: list[Order]) -> list[Order]:
    """Return the orders that fit, by number; their children count as if they all filled."""
    cash, fitting = executor.portfolio.settled_cash, []
    for order in orders:
        is_fit = True
        for one in (order, *order.children):
            sids, quantity = np.array([one.sid]), np.array([one.left])
            level = one.limit if one.limit is not None else one.stop_level()
            price = _decided(executor, sids) if level is None else np.array([level])
            cash -= float(_cost(executor, batch, sids, quantity, price)[0])
            is_fit &= cash >= 0
            if not is_fit:
                break
        if is_fit:
            fitting.append(order)
    return fitting


def _decided(executor: Executor, sids: Ints) -> Floats:
    """Return the closes of the decision; the last mark, or nothing, where there was no bar."""
    close, mark = executor.decided_close[sids], executor.portfolio.mark[sids]
    return np.nan_to_num(np.where(np.isnan(close), mark, close))


def _cost(executor: Executor, batch: Batch, sids: Ints, quantity: Floats, price: Floats) -> Floats:
    charge = executor.pricing.charge(batch, sids, quantity, price)
    value = quantity * price * executor.terms.multiplier[sids]
    cost: Floats = np.where(executor.portfolio.margined(sids), 0.0, value) + charge
    return cost
