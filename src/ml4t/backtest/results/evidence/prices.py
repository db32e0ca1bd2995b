"""HeldPrices: the prices of the bars of what a run held or ordered."""

from __future__ import annotations

import numpy as np

from ml4t.backtest.core.batch import Chunk, Floats, Ints

BAR_PRICES = ("open", "high", "low", "close")


class HeldPrices:
    """Gathers prices at places, chunk by chunk.

    Parameters
    ----------
    n_assets : int
    asks_range : bool
        Highs and lows are asked for. What only some ways of writing a strategy read is not taken
        by itself: equal trades would have other excursions.
    """

    def __init__(self, n_assets: int, *, asks_range: bool) -> None:
        self.n_assets = n_assets
        self._names = BAR_PRICES if asks_range else ("open", "close")
        self._cells: list[Ints] = []
        self._prices: dict[str, list[Floats]] = {}
        self._volume: list[Floats] = []

    def add(self, chunk: Chunk, at: Ints) -> None:
        """Take the prices at some places of a chunk, counted from its first bar and asset."""
        self._cells.append(at + chunk.first_t * self.n_assets)
        for name in self._names:
            if name in chunk.prices:
                self._prices.setdefault(name, []).append(chunk.prices[name].reshape(-1)[at])
        if chunk.volume is not None:
            self._volume.append(chunk.volume.reshape(-1)[at])

    @property
    def has_range(self) -> bool:
        """Whether there are highs and lows."""
        return {"high", "low"} <= self._prices.keys()

    @property
    def cells(self) -> Ints:
        """Bar times assets, plus the asset, of each place; ascending."""
        return np.concatenate(self._cells) if self._cells else np.empty(0, dtype=np.int64)

    def price(self, name: str) -> Floats:
        """Return a price at each place, as the broker sees it: NaN where there is none."""
        found = self._prices.get(name)
        return np.full(len(self.cells), np.nan) if found is None else np.concatenate(found)

    @property
    def has_volume(self) -> bool:
        """Whether every chunk said what traded."""
        return bool(self._cells) and len(self._volume) == len(self._cells)

    def volume(self, t: Ints, sids: Ints) -> Floats:
        """Return what traded at some of the places."""
        place = np.searchsorted(self.cells, t * self.n_assets + sids)
        return np.concatenate(self._volume)[place]
