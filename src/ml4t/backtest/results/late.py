"""Late: the tables of a run, each written when something first asks for it.

To write them all takes as long as to decide every bar of a year, and most of them nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.staging import Reading
from ml4t.backtest.results.store import PartsOf, write
from ml4t.backtest.results.tables import TABLES


class Late:
    """Writes tables into the database of a run, each once.

    Parameters
    ----------
    parts : callable
        Returns what the rows of a table hold; it is let go once all are written.
    axes : Axes
    terms : Instruments
    facts : RunFacts
    """

    def __init__(self, parts: PartsOf, axes: Axes, terms: Instruments, facts: RunFacts) -> None:
        self._left = dict(TABLES)
        self._parts: PartsOf | None = parts
        self._reading = Reading(axes, terms)
        self._run_id, self._initial_capital = facts.run_id, facts.initial_capital
        self._writing = Lock()

    def write(self, names: Collection[str], database: Database) -> bool:
        """Write those of some tables that are not there; say whether one was not."""
        with self._writing:
            tables = [table for name, table in self._left.items() if name in names]
            if not tables or self._parts is None:
                return False
            session = database.cursor()
            for table in tables:
                write(
                    table, self._parts, self._reading, session,
                    run_id=self._run_id, initial_capital=self._initial_capital,
                )  # fmt: skip
                del self._left[table.name]
            if not self._left:
                self._parts = None
            return True
