"""RunTables: the tables of a run on their way to files, wherever their rows are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from ml4t.backtest.data.database import Database, interruptible
from ml4t.backtest.data.sql_files import columns, literal, quote, rows_of
from ml4t.backtest.results.store import StatementOf
from ml4t.backtest.results.tables import RUN_ID

ROWS_PER_COPY = 100_000
# Types that pass through Arrow as they are; any other goes as text and is cast back.
_PLAIN = ("VARCHAR", "DOUBLE", "BIGINT", "INTEGER", "BOOLEAN", "DATE", "TIMESTAMP", "MAP")
# Rows on their way into a file, under the name by which the writer reads them.
_HANDED_OVER = "handed_over"


class RunTables(Protocol):
    """The tables of one run: in a database, or as the loop kept them."""

    def kinds(self, table: str) -> dict[str, str]:
        """Return the columns of a table with their types."""
        ...

    def facts(self, names: Sequence[str]) -> tuple[Any, ...]:
        """Return some of what the table ``runs`` says."""
        ...

    def hand_over(self, table: str, writer: Database, statement_of: StatementOf) -> None:
        """Hand the rows of a table to a statement of a writer, which may write files.

        Parameters
        ----------
        statement_of : callable
            Returns the statement for a query of the rows.
        """
        ...


class MadeTables:
    """The tables of a run in a database, which may be locked.

    Parameters
    ----------
    database : Database
        A session of its own: several may save one result at a time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def kinds(self, table: str) -> dict[str, str]:
        """Return the columns of a table with their types."""
        rows = self._database.sql(rows_of(table))
        return dict(zip(rows.columns, map(str, rows.types), strict=True))

    def facts(self, names: Sequence[str]) -> tuple[Any, ...]:
        """Return some of what the table ``runs`` says."""
        (row,) = self._database.rows(rows_of("runs", columns(names)))
        return row

    @cached_property
    def _run_id(self) -> str:
        (run_id,) = self.facts([RUN_ID.name])
        return str(run_id)

    @interruptible
    def hand_over(self, table: str, writer: Database, statement_of: StatementOf) -> None:
        """Hand the rows of a table to a statement of a writer."""
        given, taken = [], []
        for name, kind in self.kinds(table).items():
            column = quote(name)
            if name == RUN_ID.name:
                # The same text in every row: said once it takes no time.
                taken.append(f"{literal(self._run_id)} as {column}")
                continue
            is_plain = kind.startswith(_PLAIN)
            given.append(column if is_plain else f"{column}::varchar as {column}")
            taken.append(column if is_plain else f"{column}::{kind} as {column}")
        rows = self._database.sql(rows_of(table, ", ".join(given)))
        handed_over = rows_of(_HANDED_OVER, ", ".join(taken))
        writer.register(_HANDED_OVER, rows.to_arrow_reader(ROWS_PER_COPY))
        try:
            writer.execute(statement_of(handed_over))
        finally:
            writer.unregister(_HANDED_OVER)
