"""Walk: which bars of a run the loop visits.

Between two moments at which something can happen nothing has to be done bar by bar: what is held
is marked, and levels close it where a bar touches them. Something happens at an open, where what
was decided fills, or at a close, where something is decided: `EventWalk` visits those, and has the
session do at once what the bars from an open to a close do. `BarWalk` visits every bar: it is what
the other is measured by, and both leave the same tables to the last bit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from ml4t.backtest.core.batch import Batch, Chunk
from ml4t.backtest.core.stretch import NEVER
from ml4t.backtest.visit import Visit

# Fewer bars are visited as fast as they are passed over.
FEWEST = 3
# Bars that are looked at together where prices may stir something: at first so many, and after
# each that were quiet so many times more.
SHORTEST, GROWTH = 128, 4


class Walk(Protocol):
    """A way through the bars of a run."""

    def through(self, chunk: Chunk) -> None:
        """Go through the bars of a chunk, in time order."""
        ...


class BarWalk:
    """Visits every bar.

    Parameters
    ----------
    visit : Visit
    """

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def through(self, chunk: Chunk) -> None:
        """Visit every bar."""
        for batch in chunk.batches():
            self._visit.open(batch)
            self.after_open(batch)

    def after_open(self, batch: Batch) -> None:
        """Visit the rest of a bar."""
        self._visit.trade(batch)
        self._visit.decide(batch)
        self._visit.settle(batch)


class EventWalk:
    """Visits the bars at which something can happen, and passes over those between them.

    Parameters
    ----------
    visit : Visit
    n_bars : int
        Of the run: the first and the last are visited, and what the visit says besides.
    """

    def __init__(self, visit: Visit, n_bars: int) -> None:
        self._visit, self._session, self._strategy = visit, visit.session, visit.strategy
        self._by_bars = BarWalk(visit)
        self._ends = [0, n_bars - 1, *visit.also_seen]

    def through(self, chunk: Chunk) -> None:
        """Go through the bars, from an open at which something happens to a close."""
        if self._session.must_see(chunk):
            self._by_bars.through(chunk)
            return
        ahead, row = self._ahead(chunk), 0
        while row < chunk.n_bars:
            row += self._pass_over(chunk, row, ahead)
            if row < chunk.n_bars:
                row += self._visit_from(chunk, row, ahead)

    def _ahead(self, chunk: Chunk) -> Ahead:
        """Return what is known of the bars of a chunk before any of them is seen."""
        seen = [*self._ends, *self._session.bars(chunk).tolist()]
        decided = list(chunk.selections)
        if self._session.fills_decided:  # at the close at which it was decided
            seen, decided = seen + decided, []
        return Ahead(sorted([*seen, chunk.first_t + chunk.n_bars]), sorted([*decided, NEVER]))

    def _visit_from(self, chunk: Chunk, row: int, ahead: Ahead) -> int:
        """Visit a bar, or its open and pass over what follows; return how many bars there were."""
        batch = chunk.batch(row)
        is_whole = ahead.is_seen(batch.t) or self._session.next_t <= batch.t
        if not is_whole:
            self._session.hold_entries()
        self._visit.open(batch)
        if not is_whole and self._session.is_quiet_after_open:
            passed = self._pass_over(chunk, row, ahead)
            if passed:
                return passed
        self._session.rules.protect_entries(batch.t)
        self._by_bars.after_open(batch)
        return 1

    def _pass_over(self, chunk: Chunk, row: int, ahead: Ahead) -> int:
        """Pass over the quiet bars from an open on, and decide at the close of the last of them.

        Returns how many there were.
        """
        session = self._session
        if session.broker.waits or self._strategy.must_see_next_bar:
            return 0
        first_t = t = chunk.first_t + row
        decided_t = ahead.next_decision(t)
        until = min(ahead.next_seen(t), session.next_t, decided_t + 1)
        # What is looked at beyond the first bar that stirs something is looked at again.
        size = SHORTEST if session.watches_prices else until - t
        closes = not self._strategy.hears_fills and session.closes_unseen(chunk)
        while (size := min(size, until - t)) >= FEWEST:
            passed = session.pass_over(chunk, t - chunk.first_t, size, closes=closes)
            t += passed
            if passed < size:
                break
            size *= GROWTH
        if t == decided_t + 1 > first_t and session.last_passed is not None:
            self._visit.decide(session.last_passed)
        return t - first_t


class Ahead(NamedTuple):
    """What is known of the bars of a chunk before any of them is seen; both lists ascend.

    Attributes
    ----------
    seen : list of int
        Bars that are visited whole, and the one behind the chunk.
    decided : list of int
        Bars at whose close the strategy decides, and one behind all.
    """

    seen: list[int]
    decided: list[int]

    def is_seen(self, t: int) -> bool:
        """Whether a bar is visited whole."""
        return self.next_seen(t) == t

    def next_seen(self, t: int) -> int:
        """Return the first bar from `t` on that is visited whole."""
        return self.seen[bisect_left(self.seen, t)]

    def next_decision(self, t: int) -> int:
        """Return the first bar from `t` on at whose close something is decided."""
        return self.decided[bisect_left(self.decided, t)]


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


def walk_of(visit: Visit, n_bars: int) -> Walk:
    """Return the way through the bars of a run."""
    must_see = visit.strategy.must_see_every_bar or visit.session.must_see_every_bar
    return BarWalk(visit) if _visits_every_bar or must_see else EventWalk(visit, n_bars)
