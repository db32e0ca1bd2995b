"""Jumps: which assets open so far from their last close that it may have been a split.

To ask all bars of that before a run takes longer than many a run. The loop's own arrays tell the
few assets that are worth a question, which `sources.adjusting` asks after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml4t.backtest.core.batch import Chunk, Floats
from ml4t.backtest.core.tolerances import LEAST_MERGER, LEAST_SPLIT
from ml4t.backtest.data.asof.prepared import Prepared
from ml4t.backtest.data.stream.period import Period

# Bars times assets that are looked at together: what is made of them stays close to the processor.
BLOCK_CELLS: Final = 1 << 15


class JumpWatch:
    """Looks at chunks on their way to the loop.

    Parameters
    ----------
    prepared : Prepared
    period : Period
        The bars of the run.

    Attributes
    ----------
    sids : set of int
        Assets that jumped.
    """

    def __init__(self, prepared: Prepared, period: Period) -> None:
        self.sids: set[int] = set()
        self._database, self._begin_t = prepared.database, period.first_t
        # Closes of the bar before, or of one before it.
        self._last = np.full(prepared.n_assets, np.nan)

    def watched(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Hand on chunks, each looked at."""
        for chunk in chunks:
            self.look(chunk)
            yield chunk

    def look(self, chunk: Chunk) -> None:
        """Look at the chunk that is next."""
        closes = chunk.prices["close"]
        opens = chunk.prices.get("open", closes)
        bars = (self._begin_t, chunk.first_t, len(closes))
        seen = self._database.columns(
            {name: ("jumps", name, *bars) for name in ("jumped", "last")},
            partial(self._jumps, opens, closes),
        )
        self.sids.update(seen["jumped"].tolist())
        self._last = seen["last"]

    def _jumps(self, opens: Floats, closes: Floats, _names: list[str]) -> dict[str, NDArray[Any]]:
        """Return the assets that jumped, and the last close of each."""
        last, is_far = self._last, np.zeros(closes.shape[1], dtype=bool)
        step = max(1, BLOCK_CELLS // closes.shape[1])
        for at in range(0, len(closes), step):
            close, first = closes[at : at + step], opens[at : at + step]
            before = np.concatenate((last[None], close))
            if np.isnan(close.min()):
                for t in range(1, len(before)):  # rare: assets that are not listed, or halted
                    before[t] = np.where(np.isnan(before[t]), before[t - 1], before[t])
            if np.isnan(first.min()):
                first = np.where(np.isnan(first), close, first)
            before, last = before[:-1], before[-1]
            jumps = (before > LEAST_SPLIT * first) | (first > LEAST_MERGER * before)
            is_far |= jumps.any(axis=0)
        return {"jumped": np.flatnonzero(is_far), "last": last}
