"""HeldPrices: the prices of the bars of what a run held, and of its fills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Chunk, Floats, Ints

BAR_PRICES = ("open", "high", "low", "close")
# Places that are sorted together: a few arrays of 4 MB, however long a run is.
PLACES_AT_ONCE = 1 << 19


class AssetBars(NamedTuple):
    """The bars of some assets that follow one another, asset by asset.

    Attributes
    ----------
    first_sid, end_sid : int
        The first of the assets, and the one after the last.
    sid, t : int array
        Of each bar.
    high, low : float array
        The range with the close, or the close alone.
    """

    first_sid: int
    end_sid: int
    sid: Ints
    t: Ints
    high: Floats
    low: Floats


class HeldPrices:
    """Gathers prices at places, chunk by chunk.

    Of what is held the range of its bars alone, of what was filled the other prices too.

    Parameters
    ----------
    n_assets : int
    asks_range : bool
        Highs and lows are asked for. What only some ways of writing a strategy read is not taken
        by itself: equal trades would have other excursions.
    """

    def __init__(self, n_assets: int, *, asks_range: bool) -> None:
        self._n_assets, self._asks_range = n_assets, asks_range
        self.has_range = False
        # By chunk, counted from its first bar: a place of a whole run may take 8 bytes.
        self._starts: list[int] = []
        self._at: list[Ints] = []
        self._high: list[Floats] = []
        self._low: list[Floats] = []
        self._filled: list[Ints] = []
        self._at_fills: dict[str, list[Floats]] = {"open": [], "close": [], "volume": []}

    def add(self, chunk: Chunk, at: Ints, filled: Ints) -> None:
        """Take the prices at some places of a chunk, counted from its first bar and asset."""
        prices, close = chunk.prices, chunk.prices["close"].reshape(-1)
        self.has_range = self._asks_range and {"high", "low"} <= prices.keys()
        self._starts.append(chunk.first_t)
        self._at.append(at.astype(np.int32))
        closes = close[at]
        if self.has_range:
            self._high.append(np.fmax(prices["high"].reshape(-1)[at], closes))
            self._low.append(np.fmin(prices["low"].reshape(-1)[at], closes))
        else:
            self._high.append(closes)
        self._filled.append(filled + chunk.first_t * self._n_assets)
        of_fills = {"open": prices.get("open"), "close": close, "volume": chunk.volume}
        for name, column in of_fills.items():
            if column is not None:
                self._at_fills[name].append(column.reshape(-1)[filled])

    def by_asset(self) -> Iterator[AssetBars]:
        """Yield the bars of what was held, asset by asset, and let go of them."""
        if not self._at:
            return
        # Places ascend by bar: what is sorted by asset alone is by bar too, and faster.
        kind = np.uint16 if self._n_assets <= np.iinfo(np.uint16).max else np.int32
        sids = np.concatenate([(at % self._n_assets).astype(kind) for at in self._at])
        n_held = np.bincount(sids, minlength=self._n_assets)
        order = np.argsort(sids, kind="stable")
        del sids
        ts = np.concatenate(
            [
                at // self._n_assets + np.int32(t)
                for at, t in zip(self._at, self._starts, strict=True)
            ]
        )
        self._at.clear()
        high = np.concatenate(self._high)
        self._high.clear()
        low = np.concatenate(self._low) if self.has_range else high
        self._low.clear()
        ends = np.cumsum(n_held)
        sid = start = 0
        while sid < self._n_assets:
            last = int(np.searchsorted(ends, start + PLACES_AT_ONCE, side="right"))
            last = max(last, sid + 1)
            end = int(ends[last - 1])
            rows = order[start:end]
            yield AssetBars(
                first_sid=sid, end_sid=last, t=ts[rows], high=high[rows], low=low[rows],
                sid=np.repeat(np.arange(sid, last), n_held[sid:last]),
            )  # fmt: skip
            sid, start = last, end

    @property
    def has_volume(self) -> bool:
        """Whether every chunk said what traded."""
        return bool(self._filled) and len(self._at_fills["volume"]) == len(self._filled)

    def at_fills(self, name: str, t: Ints, sids: Ints) -> Floats:
        """Return ``open``, ``close`` or ``volume`` at some places, NaN where nothing was filled."""
        found, asked = self._at_fills[name], t * self._n_assets + sids
        places = np.concatenate(self._filled) if found else np.empty(0, dtype=np.int64)
        if not len(places):
            return np.full(len(asked), np.nan)
        at = np.minimum(np.searchsorted(places, asked), len(places) - 1)
        return np.where(places[at] == asked, np.concatenate(found)[at], np.nan)
