"""Splits: folds of the bars of a catalog or of timestamps, and of the rows of a panel.

1. `timeline.py` says which bars there are, `lengths.py` what a size means.
2. A splitter (`walk_forward.py`, `combinatorial.py`) cuts them into train and test parts.
3. `purging.py` takes out of the train part what knows of the test part.
4. `rows.py` reads the timestamps and label ends of rows, for `split`, which scikit-learn calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NoReturn

import numpy as np

from ml4t.backtest.core.batch import Bools, Ints
from ml4t.backtest.errors import ConfigError
from ml4t.backtest.sweep.folds import Division, Fold
from ml4t.backtest.sweep.lengths import length_of
from ml4t.backtest.sweep.purging import Observed, train_of
from ml4t.backtest.sweep.rows import line_of_rows, reach_of, times_of_rows
from ml4t.backtest.sweep.timeline import Timeline, timeline_of


class Splits(ABC):
    """What every splitter does once it has cut the bars."""

    __slots__ = ()
    # No train part follows its test part.
    is_walk: ClassVar[bool]
    # Set by the dataclasses below.
    purge: object
    embargo: object

    @abstractmethod
    def divisions(self, line: Timeline) -> list[Division]:
        """Return the folds before anything is purged."""

    def folds(
        self, bars: object, *, sessions: object = None, label_end: object = None
    ) -> tuple[Fold, ...]:
        """Return the folds of some bars.

        Parameters
        ----------
        bars : Catalog, or array, list, Series or Arrow array of dates or times
            Ascending, each once. Of a catalog: the bars of its prices.
        sessions : array of dates, optional
            Each bar's session; by default its date, in the zone of the timestamps. A catalog says
            so itself.
        label_end : array of dates or times, optional
            When the label of each bar ends, at the bar or later: what overlaps a test part is
            purged, see `purging.py`. With `purge` a label reaches to the later of both.

        Returns
        -------
        tuple of Fold

        Raises
        ------
        ConfigError
            The bars are too few for one fold, nothing is left of a train part, test parts would
            overlap, or the times are not in order.
        """
        line = timeline_of(bars, sessions)
        seen = self._observed(line, np.arange(line.n_bars), label_end)
        return tuple(
            division.fold(number, is_train, line)
            for number, division, is_train in self._purged(line, seen)
        )

    def split(
        self,
        X: object,
        y: object = None,
        groups: object = None,
    ) -> Iterator[tuple[Ints, Ints]]:
        """Yield the rows of each fold to train and to test on, as ``cv=`` of scikit-learn does.

        A panel has a row per asset and timestamp, in any order. Folds are cut between timestamps
        and never through one: all rows of a bar are in the same part. Labels are purged row by
        row, so that one asset's long label takes no row of another's.

        Parameters
        ----------
        X : table or array, rows first
            Timestamps are read from its column ``timestamp`` or its index (of pandas) where there
            are no `groups`.
        y : ignored
        groups : array of dates or times, or a table, optional
            The timestamp of each row; a table has columns ``timestamp`` and, for purging by
            labels, ``label_end``.

        Yields
        ------
        train, test : int array
            Numbers of rows, ascending. All test parts of a fold are one array here: `folds` keeps
            them apart.

        Raises
        ------
        ConfigError
            As of `folds`; or there are no timestamps.
        """
        times, label_end = times_of_rows(X, groups)
        line, t = line_of_rows(times)
        seen = self._observed(line, t, label_end)
        for _, division, is_train in self._purged(line, seen):
            yield is_train.nonzero()[0], seen.within(division.tests).nonzero()[0]

    def get_n_splits(
        self,
        X: object = None,
        y: object = None,
        groups: object = None,
    ) -> int:
        """Return the number of folds, which depends on the timestamps; see `split`.

        Raises
        ------
        ConfigError
            As of `split`.
        """
        times, _ = times_of_rows(X, groups)
        return len(self.divisions(line_of_rows(times)[0]))

    def _observed(self, line: Timeline, t: Ints, label_end: object) -> Observed:
        reach = line.reach(length_of("purge", self.purge))[t]
        if label_end is not None:
            reach = np.maximum(reach, reach_of(label_end, t, line))
        return Observed(t, reach)

    def _purged(self, line: Timeline, seen: Observed) -> Iterator[tuple[int, Division, Bools]]:
        """Yield the number of each fold, its division, and what may be trained on."""
        embargo = line.reach(length_of("embargo", self.embargo))
        for number, division in enumerate(self.divisions(line), start=1):
            is_train = train_of(division, seen, embargo, is_walk=self.is_walk)
            if not is_train.any():
                self._refuse(number, division, line)
            yield number, division, is_train

    def _refuse(self, number: int, division: Division, line: Timeline) -> NoReturn:
        first, stop = division.train
        tests = ", ".join(f"{line.time(a)} to {line.time(b - 1)}" for a, b in division.tests)
        raise ConfigError(
            f"nothing is left to train on in fold {number}, tested on {tests}: purge="
            f"{self.purge!r}, embargo={self.embargo!r} and the ends of labels take all of the "
            f"{stop - first:,} bars from {line.time(first)} on; shorten them, or lengthen train"
        )
