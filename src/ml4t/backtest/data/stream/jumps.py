"""Jumps: which assets open so far from their last close that it may have been a split.

To ask all bars of that before a run takes longer than many a run. The loop's own arrays tell the
few assets that are worth a question, which `sources.adjusting` asks after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ml4t.backtest.core.batch import Chunk, Floats
from ml4t.backtest.core.tolerances import LEAST_MERGER, LEAST_SPLIT


class JumpWatch:
    """Looks at chunks on their way to the loop.

    Parameters
    ----------
    n_assets : int

    Attributes
    ----------
    sids : set of int
        Assets that jumped.
    """

    def __init__(self, n_assets: int) -> None:
        self.sids: set[int] = set()
        self._last = np.full(n_assets, np.nan)  # closes of the bar before, or of one before it

    def watched(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Hand on chunks, each looked at."""
        for chunk in chunks:
            closes = chunk.prices["close"]
            self._look(chunk.prices.get("open", closes), closes)
            yield chunk

    def _look(self, opens: Floats, closes: Floats) -> None:
        before = np.vstack([self._last, closes[:-1]])
        if np.isnan(before[1:]).any():
            for t in range(1, len(before)):  # rare: assets that are not listed, or halted
                before[t] = np.where(np.isnan(before[t]), before[t - 1], before[t])
        first = np.where(np.isnan(opens), closes, opens)
        is_far = (before > LEAST_SPLIT * first) | (first > LEAST_MERGER * before)
        if is_far.any():
            self.sids.update(np.flatnonzero(is_far.any(axis=0)).tolist())
        self._last = np.where(np.isnan(closes[-1]), before[-1], closes[-1])
