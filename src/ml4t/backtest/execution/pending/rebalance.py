"""Rebalance: target weights between their decision and their fill."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Floats, Ints, Selection
from ml4t.backtest.core.tolerances import NO_CHANGE
from ml4t.backtest.execution.executor import Executor
from ml4t.backtest.execution.pending.no_trade_band import NoTradeBand

REBALANCE = "rebalance"
BELOW_LOT = "below one lot"


class Rebalance(NamedTuple):
    """Target weights that wait for their fill, zero for all else held.

    Attributes
    ----------
    t : int
        Bar at whose close they were decided.
    targets : Selection
    untouched : int array
        Assets that stay as they are.
    quantity : float array or None
        Shares of each target, where they are sized at the decision.
    no_trade_band : NoTradeBand
        Changes that are not made.
    """

    t: int
    targets: Selection
    untouched: Ints
    quantity: Floats | None
    no_trade_band: NoTradeBand = NoTradeBand()

    def without(self, sids: Ints) -> Rebalance:
        """Return the targets but those of some assets."""
        stays = ~np.isin(self.targets.sids, sids)
        quantity = self.quantity if self.quantity is None else self.quantity[stays]
        return self._replace(targets=self.targets.where(stays), quantity=quantity)

    def rename(self, old: int, new: int) -> Rebalance:
        """Return the targets under the new name; where both have one, they add up."""
        untouched = np.where(self.untouched == old, new, self.untouched)
        targets, quantity = self.targets, self.quantity
        if old not in targets.sids:
            return self._replace(untouched=untouched)
        sids, weights = np.where(targets.sids == old, new, targets.sids), targets.weights.copy()
        stays = np.ones(len(sids), dtype=bool)
        both = np.flatnonzero(sids == new).tolist()
        if len(both) == 2:
            weights[both[0]] += weights[both[1]]
            stays[both[1]] = False
            if quantity is not None:
                quantity = quantity.copy()
                quantity[both[0]] += quantity[both[1]]
                quantity = quantity[stays]
        targets = replace(targets, sids=sids, weights=weights).where(stays)
        return self._replace(targets=targets, untouched=untouched, quantity=quantity)

    def split(self, sid: int, ratio: float, executor: Executor) -> Rebalance:
        """Return the targets with those that are shares already restated."""
        if self.quantity is None:
            return self
        restated = self.quantity * ratio
        if not executor.policy.rounds_change:
            restated = executor.whole(self.targets.sids, restated)
        return self._replace(quantity=np.where(self.targets.sids == sid, restated, self.quantity))


def sized(executor: Executor, sids: Ints, weights: Floats, price: Floats, equity: float) -> Floats:
    """Return the shares that target weights are; whole lots, unless the change is rounded."""
    # An account whose equity is gone wants nothing, long or short.
    unit = price * executor.terms.multiplier[sids]
    wanted: Floats = weights * max(equity, 0.0) / unit
    return wanted if executor.policy.rounds_change else executor.whole(sids, wanted)


def change_to(executor: Executor, sids: Ints, wanted: Floats, live: Floats) -> tuple[Floats, Bools]:
    """Return by how many shares positions change to what is wanted, and which of it is a change."""
    change = wanted - live
    if executor.policy.rounds_change:
        change = np.where(wanted == 0, change, executor.whole(sids, change))
    is_real = np.abs(change) > NO_CHANGE * np.maximum(np.abs(wanted), np.abs(live))
    return change, is_real
