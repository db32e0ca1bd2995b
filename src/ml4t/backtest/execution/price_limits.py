"""PriceLimits: which side of an asset the exchange's price limits lock out at a price."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Batch, Bools, Chunk, Floats, Ints
from ml4t.backtest.core.tolerances import AT_PRICE_LIMIT

# Columns by the side that they lock out: nobody sells at limit up, nobody buys at limit down.
LOCKS = {"limit_up": 1.0, "limit_down": -1.0}


class PriceLimits(NamedTuple):
    """The price limits of the bars: flags of bars that are locked, or prices.

    Attributes
    ----------
    priced : frozenset of str
        The columns that hold prices: at the limit, or beyond it, nothing can be bought (limit up)
        or sold (limit down); NaN is no limit. A flag of 1 locks its side for all of the bar.
    are_known : bool
        Whether columns of these names are price limits; in loops written by hand they are columns
        of a cost model like any others.
    """

    priced: frozenset[str] = frozenset()
    are_known: bool = True

    def named(self, bars: Batch | Chunk) -> list[str]:
        """Return the columns of a bar, or of several, that hold price limits."""
        return [name for name in LOCKS if self.are_known and name in bars.features]

    def locked(
        self, batch: Batch, name: str, sids: Ints, quantity: Floats, prices: Floats
    ) -> Bools:
        """Say which orders one limit locks out; `prices` are those of the fills, before costs."""
        values, side = batch.features[name][sids], LOCKS[name]
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
            np.where(quantity * LOCKS[name] > 0, batch.features[name][sids], np.nan)
            for name in sorted(self.priced)
        ]
