"""Walk: which bars of a run the loop visits.

Between two bars at which something can happen nothing has to be done bar by bar: what is held is
marked, and levels close it where a bar touches them. `EventWalk` yields the bars that the loop has to see and has the session
do at once what those between them do. `BarWalk` yields every bar: it is what the other is measured
by, and both leave the same tables to the last bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ml4t.backtest.core.batch import Batch, Chunk
from ml4t.backtest.session import Session
from ml4t.backtest.strategy.run import StrategyRun

# Fewer bars are visited as fast as they are passed over.
FEWEST = 3
# Bars that are looked at together where prices may stir something: at first so many, and after
# each that were quiet so many times more.
SHORTEST, GROWTH = 128, 4


class Walk(Protocol):
    """A way through the bars of a run."""

    def bars(self, chunk: Chunk) -> Iterator[Batch]:
        """Yield the bars of a chunk that the loop has to see, in time order."""
        ...


class BarWalk:
    """Visits every bar."""

    def bars(self, chunk: Chunk) -> Iterator[Batch]:
        """Yield every bar."""
        return chunk.batches()


class EventWalk:
    """Visits the bars at which something can happen, and passes over those between them.

    Parameters
    ----------
    session : Session
    strategy : StrategyRun
    n_bars : int
        Of the run: the first and the last are visited.
    """

    def __init__(self, session: Session, strategy: StrategyRun, n_bars: int) -> None:
        self._session, self._strategy = session, strategy
        self._ends = [0, n_bars - 1]

    def bars(self, chunk: Chunk) -> Iterator[Batch]:
        """Yield the bars that the loop has to see."""
        if self._session.must_see(chunk):
            yield from chunk.batches()
            return
        row, planned = 0, self._planned(chunk)
        while row < chunk.n_bars:
            row += self._pass_over(chunk, row, planned)
            if row < chunk.n_bars:
                yield chunk.batch(row)
                row += 1

    def _planned(self, chunk: Chunk) -> list[int]:
        """Return the bars of a chunk that are known to be events before any of them is seen."""
        ts = [*self._ends, *chunk.selections, *self._session.bars(chunk).tolist()]
        return sorted([*ts, chunk.first_t + chunk.n_bars])

    def _pass_over(self, chunk: Chunk, row: int, planned: list[int]) -> int:
        """Pass over the quiet bars from a place on; return how many there were."""
        if self._strategy.must_see_next_bar:
            return 0
        first_t = t = chunk.first_t + row
        until = min(planned[bisect_left(planned, t)], self._session.next_t)
        # What is looked at beyond the first bar that stirs something is looked at again.
        size = SHORTEST if self._session.watches_prices else until - t
        closes = not self._strategy.hears_fills and self._session.closes_unseen(chunk)
        while (size := min(size, until - t)) >= FEWEST:
            passed = self._session.pass_over(chunk, t - chunk.first_t, size, closes=closes)
            t += passed
            if passed < size:
                break
            size *= GROWTH
        return t - first_t


_visits_every_bar = False


@contextmanager
def visiting_every_bar() -> Iterator[None]:
    """Have runs visit every bar, as the measure of those that do not."""
    global _visits_every_bar
    before, _visits_every_bar = _visits_every_bar, True
    try:
        yield
    finally:
        _visits_every_bar = before


def walk_of(session: Session, strategy: StrategyRun, n_bars: int) -> Walk:
    """Return the way through the bars of a run."""
    if _visits_every_bar or strategy.must_see_every_bar or session.must_see_every_bar:
        return BarWalk()
    return EventWalk(session, strategy, n_bars)
