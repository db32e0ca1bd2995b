"""Batch: one timestamp as the loop sees it. Chunk: consecutive timestamps, read together.

Assets and timestamps are small integers here: `sid` counts assets in the order of
``asset_id``, `t` counts bars from 0. A chunk is dense, ``[bars, assets]``, NaN where an
asset has no bar, so that the loop reads any held asset by plain indexing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The ranked candidates of one decision bar, best first.

    Attributes
    ----------
    sids : int array
    scores, weights : float array
        Weights are fractions of equity.
    """

    sids: Ints
    scores: Floats
    weights: Floats

    def where(self, chosen: NDArray[np.bool_]) -> Selection:
        """Return the candidates that a mask keeps."""
        return Selection(
            sids=self.sids[chosen], scores=self.scores[chosen], weights=self.weights[chosen]
        )


@dataclass(slots=True, kw_only=True)  # hot: freezing costs a call per field
class Batch:
    """Everything known at the close of bar `t`; arrays are indexed by `sid`.

    Attributes
    ----------
    t : int
    open, high, low, close : float array
        NaN where the asset has no bar at `t`; `open`, `high` and `low` also where the bar has no
        volume, since nothing can trade there. `high` and `low` are None when nobody reads them.
    features : mapping of str to float array
        As-of values that rules, limits, cost models or the strategy asked for, NaN where missing;
        columns of prices (``volume``, ``vwap``, ``limit_up``) are this bar's own.
    selection : Selection or None
        None when `t` is no decision bar.
    """

    t: int
    open: Floats
    high: Floats | None
    low: Floats | None
    close: Floats
    features: Mapping[str, Floats]
    selection: Selection | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bars ``first_t .. first_t + n_bars - 1`` for all assets; bounded in memory."""

    first_t: int
    prices: Mapping[str, Floats]
    features: Mapping[str, Floats]
    selections: Mapping[int, Selection]

    def batches(self) -> Iterator[Batch]:
        """Yield one `Batch` per bar, in time order; rows are views, nothing is copied."""
        opens, closes = self.prices["open"], self.prices["close"]
        highs, lows = self.prices.get("high"), self.prices.get("low")
        for row in range(len(closes)):
            t = self.first_t + row
            yield Batch(
                t=t,
                open=opens[row],
                high=None if highs is None else highs[row],
                low=None if lows is None else lows[row],
                close=closes[row],
                features={name: values[row] for name, values in self.features.items()},
                selection=self.selections.get(t),
            )
