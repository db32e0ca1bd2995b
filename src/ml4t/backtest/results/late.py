"""Late: the tables of a run, each written when something first asks for it.

To write them all takes as long as to decide every bar of a year, and most of them nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from threading import Lock
from typing import Any

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import Database
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.runs_table import RUNS
from ml4t.backtest.results.staging import Reading
from ml4t.backtest.results.store import PartsOf, StatementOf, hand_over, kinds_of, write
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

    def fresh(self) -> FreshTables | None:
        """Return all tables as the loop kept them, until that is let go."""
        with self._writing:
            if self._parts is None:
                return None
            return FreshTables(
                self._parts, self._reading, self._writing, self._run_id, self._initial_capital
            )


class FreshTables:
    """The tables of a run as the loop kept them, on their way to files past any database.

    See `ml4t.backtest.results.keeping.run_tables.RunTables`.

    Parameters
    ----------
    parts : callable
    reading : Reading
    making : Lock
        Held while rows are made: that is done once.
    run_id : str
    initial_capital : float
    """

    def __init__(
        self, parts: PartsOf, reading: Reading, making: Lock, run_id: str, initial_capital: float
    ) -> None:
        self._parts, self._reading, self._making = parts, reading, making
        self.run_id, self._initial_capital = run_id, initial_capital

    def kinds(self, table: str) -> dict[str, str]:
        """Return the columns of a table with their types."""
        return kinds_of(TABLES[table], self._reading)

    def facts(self, names: Sequence[str]) -> tuple[Any, ...]:
        """Return some of what the table ``runs`` says."""
        with self._making:
            (rows,) = self._parts(RUNS)
        return tuple(rows[name].item(0) for name in names)

    def hand_over(self, table: str, writer: Database, statement_of: StatementOf) -> None:
        """Hand the rows of a table to a statement of a writer."""
        with self._making:
            hand_over(
                TABLES[table], self._parts, self._reading, writer, statement_of,
                run_id=self.run_id, initial_capital=self._initial_capital,
            )  # fmt: skip
