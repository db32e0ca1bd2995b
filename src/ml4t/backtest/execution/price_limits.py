"""PriceLimits: which side of an asset the exchange's price limits lock out at a price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints
from ml4t.backtest.core.terms import LIMIT_RATE, PREV_CLOSE
from ml4t.backtest.core.tolerances import AT_PRICE_LIMIT
from ml4t.backtest.execution.orders.ticks import half_up, on_ticks

# Columns by the side that they lock out: nobody sells at limit up, nobody buys at limit down.
LOCKS = {"limit_up": 1.0, "limit_down": -1.0}


class LimitRates(NamedTuple):
    """How limits follow from rates of the previous close.

    Attributes
    ----------
    tick_size : float array, by sid
        Limits are on these; 0: any price.
    rounds_inward : bool
        Toward the previous close, else half up.
    rate : float or None
        Of all assets; None: each bar has its own.
    """

    tick_size: Floats
    rounds_inward: bool = False
    rate: float | None = None

    def limits(self, batch: Batch, side: float, sids: Ints) -> Floats:
        """Return ``prev_close * (1 + side * limit_rate)`` on ticks, NaN where there is no limit.

        At least one tick from the previous close, and never below one tick.
        """
        before, tick = batch.features[PREV_CLOSE][sids], self.tick_size[sids]
        rate = batch.features[LIMIT_RATE][sids] if self.rate is None else self.rate
        exact = before * (1 + side * rate)
        inward = np.full(len(sids), -side)
        on_tick = on_ticks(exact, tick, inward) if self.rounds_inward else half_up(exact, tick)
        nearest = before + side * tick
        found = np.maximum(on_tick, nearest) if side > 0 else np.minimum(on_tick, nearest)
        limits: Floats = np.maximum(found, tick)
        return limits


class PriceLimits(NamedTuple):
    """The price limits of the bars: flags of bars that are locked, prices, or rates.

    Attributes
    ----------
    priced : frozenset of str
        The columns that hold prices: at the limit, or beyond it, nothing can be bought (limit up)
        or sold (limit down); NaN is no limit. A flag of 1 locks its side for all of the bar.
    are_known : bool
        Whether columns of these names are price limits; in loops written by hand they are columns
        of a cost model like any others.
    rates : LimitRates or None
        Makes prices of the rates of the bars, which then have no columns of limits.
    """

    priced: frozenset[str] = frozenset()
    are_known: bool = True
    rates: LimitRates | None = None

    def named(self, bars: Batch | Chunk) -> list[str]:
        """Return the limits that a bar, or several, have."""
        if self.rates is not None:
            return list(LOCKS)
        return [name for name in LOCKS if self.are_known and name in bars.features]

    def locked(
        self, batch: Batch, name: str, sids: Ints, quantity: Floats, prices: Floats
    ) -> Bools:
        """Say which orders one limit locks out; `prices` are those of the fills, before costs."""
        values, side = self._values(batch, name, sids), LOCKS[name]
        is_locked: Bools = values == 1
        if name in self.priced:
            is_locked = side * (prices - values) >= -AT_PRICE_LIMIT * values
        return is_locked & (quantity * side > 0)

    def why(self, batch: Batch, sid: int, side: float, price: float) -> str:
        """Return the limit that locks a side of one asset out, empty if none does."""
        one = np.array([sid]), np.array([side]), np.array([price])
        for name in self.named(batch):
            if side == LOCKS[name] and self.locked(batch, name, *one)[0]:
                return name.replace("_", " ")
        return ""

    def bounds(self, batch: Batch, sids: Ints, quantity: Floats) -> list[Floats]:
        """Return the prices that slippage cannot take a fill beyond, NaN where there is none."""
        return [
            np.where(quantity * LOCKS[name] > 0, self._values(batch, name, sids), np.nan)
            for name in sorted(self.priced)
        ]

    def _values(self, batch: Batch, name: str, sids: Ints) -> Floats:
        """Return the limits of some assets, flags or prices."""
        if self.rates is not None:
            return self.rates.limits(batch, LOCKS[name], sids)
        return batch.features[name][sids]
