"""Pauses: bars of a run after which it is asked what waits, and after which it may end."""

from __future__ import annotations

from collections.abc import Iterable

from ml4t.backtest.core.batch import Batch
from ml4t.backtest.core.journal import Journal
from ml4t.backtest.core.orders import Waiting
from ml4t.backtest.session import Session
from ml4t.backtest.strategy.run import StrategyRun
from ml4t.backtest.visit import Visit


class EndOfRunError(Exception):
    """A run is over before its last bar."""


class Pauses:
    """Bars at which a run pauses.

    Parameters
    ----------
    ts : iterable of int
        Their numbers in the run.
    ends : bool
        The run ends with the last of them, while bars to come stand in memory.

    Attributes
    ----------
    ts : frozenset of int
    waiting : dict of int to list of Waiting
        What waited after each.
    """

    def __init__(self, ts: Iterable[int] = (), *, ends: bool = False) -> None:
        self.ts = frozenset(ts)
        self._last = max(self.ts, default=None) if ends else None
        self.waiting: dict[int, list[Waiting]] = {}

    def look(self, visit: Visit, batch: Batch) -> None:
        """Note what waits after a bar, if it is one of them.

        Raises
        ------
        EndOfRunError
            The run ends here.
        """
        if batch.t in self.ts:
            self.waiting[batch.t] = visit.session.broker.waiting(batch)
        if batch.t == self._last:
            raise EndOfRunError


class PausedVisit(Visit):
    """The parts of a bar, after which a run may pause.

    Parameters
    ----------
    pauses : Pauses
    """

    def __init__(
        self, session: Session, strategy: StrategyRun, journal: Journal, pauses: Pauses
    ) -> None:
        super().__init__(session, strategy, journal)
        self._pauses, self.also_seen = pauses, pauses.ts

    def settle(self, batch: Batch) -> None:
        """End a bar, and pause if it is time."""
        super().settle(batch)
        self._pauses.look(self, batch)
