"""Folds: what is trained on, what is tried on it, and where a run of that part begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ml4t.backtest.core.batch import Bools, Ints
from ml4t.backtest.sweep.timeline import Time, Timeline


class BarSpan(NamedTuple):
    """Bars that follow one another.

    Attributes
    ----------
    first_t, last_t : int
        Their numbers, both inclusive.
    start, end : date, datetime or datetime64
        Their times, as ``BacktestEngine(..., start=, end=)`` takes them.
    """

    first_t: int
    last_t: int
    start: Time
    end: Time

    @property
    def n_bars(self) -> int:
        """How many bars it has."""
        return self.last_t - self.first_t + 1

    @property
    def bars(self) -> Ints:
        """The numbers of its bars."""
        return np.arange(self.first_t, self.last_t + 1)

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One division of the bars.

    Attributes
    ----------
    number : int
        From 1, in order of time.
    train : tuple of BarSpan
        In order of time; several where a test part or what is purged lies between.
    test : tuple of BarSpan
        One of a walk; of combinatorial splits several, of which two may touch.
    warm_up : tuple of BarSpan or None
        The bars before each test part with which its run begins earlier: what is decided and made
        in them is none of the fold's. None: there are none.
    paths : tuple of int
        Of combinatorial splits the path, from 1, that each test part belongs to.
    """

    number: int
    train: tuple[BarSpan, ...]
    test: tuple[BarSpan, ...]
    warm_up: tuple[BarSpan | None, ...]
    paths: tuple[int, ...] = ()

    @property
    def train_bars(self) -> Ints:
        """The numbers of the bars to train on, ascending."""
        return np.concatenate([span.bars for span in self.train])

    @property
    def test_bars(self) -> Ints:
        """The numbers of the bars to test on, ascending."""
        return np.concatenate([span.bars for span in self.test])

    @property
    def run_starts(self) -> tuple[Time, ...]:
        """When the run of each test part begins: with its warm-up, where it has one."""
        pairs = zip(self.test, self.warm_up, strict=True)
        return tuple(test.start if warm is None else warm.start for test, warm in pairs)

    def __str__(self) -> str:
        train, test = (", ".join(map(str, spans)) for spans in (self.train, self.test))
        return f"fold {self.number}: train {train}; test {test}"


class Division(NamedTuple):
    """A fold before anything is purged, in half-open ranges of bars.

    Attributes
    ----------
    train : (first, stop)
        Without the bars of `tests`.
    tests : tuple of (first, stop)
    warm_up : tuple of int
        The first bar of the run of each test part.
    paths : tuple of int
    """

    train: tuple[int, int]
    tests: tuple[tuple[int, int], ...]
    warm_up: tuple[int, ...]
    paths: tuple[int, ...] = ()

    def fold(self, number: int, is_train: Bools, line: Timeline) -> Fold:
        """Return the fold with the train bars that are left."""
        begins, stops = (
            np.diff(is_train.astype(np.int8), prepend=0, append=0).nonzero()[0].reshape(-1, 2).T
        )
        train = [_span(int(a), int(b), line) for a, b in zip(begins, stops, strict=True)]
        warm_up = [
            None if since == first else _span(since, first, line)
            for since, (first, _) in zip(self.warm_up, self.tests, strict=True)
        ]
        return Fold(
            number=number,
            train=tuple(train),
            test=tuple(_span(first, stop, line) for first, stop in self.tests),
            warm_up=tuple(warm_up),
            paths=self.paths,
        )


def _span(first: int, stop: int, line: Timeline) -> BarSpan:
    begins, ends = line.time(first), line.time(stop - 1)
    return BarSpan(line.first_t + first, line.first_t + stop - 1, begins, ends)
