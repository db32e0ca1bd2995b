"""Blocks: the plainest splitter with train parts on both sides of a test part."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ml4t.backtest.sweep.folds import Division
from ml4t.backtest.sweep.splits import Splits
from ml4t.backtest.sweep.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Blocks(Splits):
    """Each of `n` blocks is tested once, on what all others teach."""

    n: int
    purge: object = 0
    embargo: object = 0
    is_walk: ClassVar[bool] = False

    def divisions(self, line: Timeline) -> list[Division]:
        edges = np.linspace(0, line.n_bars, self.n + 1).astype(int).tolist()
        return [
            Division((0, line.n_bars), ((first, stop),), (first,))
            for first, stop in pairwise(edges)
        ]
