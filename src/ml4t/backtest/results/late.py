"""Late: a table of a run that is written when something first asks for it.

To write it takes longer than to gather what is in it, and most results nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.staging import Reading, staged
from ml4t.backtest.results.store import write, writing
from ml4t.backtest.results.table import Table


class Late:
    """Writes one table into the database of a run, once.

    Parameters
    ----------
    table : Table
    gather : callable
        Returns the event that holds its rows.
    axes : Axes
    terms : Instruments
    facts : RunFacts
    """

    def __init__(
        self,
        table: Table,
        gather: Callable[[], object],
        axes: Axes,
        terms: Instruments,
        facts: RunFacts,
    ) -> None:
        self.table = table
        self._gather: Callable[[], object] | None = gather
        self._reading, self._facts = Reading(axes, terms), facts
        self._writing = Lock()

    def write(self, database: Database) -> bool:
        """Write it where it is not there; return whether it was not."""
        with self._writing:
            if self._gather is None:
                return False
            columns = {self.table.staged: staged(self.table, [self._gather()])}
            with writing(database) as session:
                write(self.table, columns, self._reading, self._facts, session)
            self._gather = None  # what it holds is let go
            return True
