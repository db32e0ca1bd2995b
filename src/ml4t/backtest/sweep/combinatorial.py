"""Combinatorial splits: every choice of some folds is tested with what the others teach.

The folds, their choices and the paths that they make are skfolio's; `purging.py` purges them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np

from ml4t.backtest.data.packages import package
from ml4t.backtest.errors import ConfigError, require_whole
from ml4t.backtest.sweep.folds import Division
from ml4t.backtest.sweep.lengths import length_of
from ml4t.backtest.sweep.splits import Splits
from ml4t.backtest.sweep.timeline import Timeline


@dataclass(frozen=True, slots=True)
class CombinatorialPurged(Splits):
    """Combinatorial purged splits (Lopez de Prado 2018, 12.4), of skfolio (the extra ``skfolio``).

    The bars are cut into `n_folds` like parts. Each choice of `n_test_folds` of them is a fold:
    it is tested on these and trained on the others, after them too. Every part is tested
    ``n_test_folds / n_folds`` of the times, and parts of different folds make up `n_paths` whole
    ways through time. No figure of it is one that could have been traded: what is trained on is
    known after its test part as well.

    Parameters
    ----------
    n_folds : int, default 10
    n_test_folds : int, default 8
        From 2 to below `n_folds`.
    purge : int, str or timedelta, default 0
        How far labels reach beyond their bar: so much is left out before each test part, and
        after it. Sizes are those of `WalkForward`.
    embargo : int, str or timedelta, default 0
        What is left out besides after each test part, counted from the last bar that its labels
        reach.
    warm_up : int, str or timedelta, default 0
        How much earlier a run of each test part begins; less where there are no bars before.

    Raises
    ------
    ConfigError
        A number or a size is outside what it may be.
    """

    n_folds: int = 10
    n_test_folds: int = 8
    _: KW_ONLY
    purge: int | str | timedelta = 0
    embargo: int | str | timedelta = 0
    warm_up: int | str | timedelta = 0
    is_walk: ClassVar[bool] = False

    def __post_init__(self) -> None:
        n_folds = require_whole("n_folds", self.n_folds, least=3)
        require_whole("n_test_folds", self.n_test_folds, least=2, most=n_folds - 1)
        for name in ("purge", "embargo", "warm_up"):
            length_of(name, getattr(self, name))

    @property
    def n_paths(self) -> int:
        """How many whole ways through time the test parts make up."""
        return int(self._chosen().n_test_paths)

    def divisions(self, line: Timeline) -> list[Division]:
        """Return the folds before anything is purged.

        Raises
        ------
        ConfigError
            skfolio is not installed, or refuses: too few bars, or more than 100,000 choices.
        """
        warm_up = length_of("warm_up", self.warm_up)
        chosen = self._chosen()
        try:
            parts = [tests for _, tests in chosen.split(np.empty((line.n_bars, 1)))]
        except ValueError as error:
            raise ConfigError(
                f"{line.n_bars:,} bars cannot be cut into n_folds={self.n_folds} ({error}); choose "
                "fewer folds, or give more bars"
            ) from error
        divisions = []
        for tests, paths in zip(parts, chosen.get_path_ids(), strict=True):
            ranges = tuple((int(one[0]), int(one[-1]) + 1) for one in tests)
            runs = tuple(line.back(line.at(first), warm_up) for first, _ in ranges)
            divisions.append(
                Division((0, line.n_bars), ranges, runs, tuple(int(path) + 1 for path in paths))
            )
        return divisions

    def _chosen(self) -> Any:
        splitter = package("skfolio.model_selection", extra="skfolio").CombinatorialPurgedCV
        try:
            return splitter(n_folds=self.n_folds, n_test_folds=self.n_test_folds)
        except ValueError as error:
            raise ConfigError(f"skfolio refuses n_folds={self.n_folds}: {error}") from error
