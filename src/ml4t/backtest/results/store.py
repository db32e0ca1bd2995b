"""Store: the result tables of one run, each written in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import Sql, cast, columns, empty_table_of, literal, render
from ml4t.backtest.results.staging import Array, Reading
from ml4t.backtest.results.table import ROW, Means, Table
from ml4t.backtest.results.tables import RUN_ID

ColumnsOf = Callable[[Table], dict[str, Array]]

# What a statement reads: the rows of its table, and those that are looked up for them.
STAGED_ROWS, ROWS_BESIDE = "staged", "beside"


def open_store(timezone: str = UTC) -> Database:
    """Return an empty database for the tables of one run, in the zone of that run."""
    # One thread: a float sum over the tables must not depend on how many there are.
    return Database(threads=1, timezone=timezone, has_plain_text=True)


@contextmanager
def writing(database: Database) -> Iterator[Database]:
    """Yield a session that writes tables, all or none; what it reads of arrays goes with it."""
    session = database.cursor()
    with session.transaction():
        yield session


def write(
    table: Table,
    columns_of: ColumnsOf,
    reading: Reading,
    session: Database,
    *,
    run_id: str,
    initial_capital: float,
) -> None:
    """Write one table of what its events hold, in the order in which its rows are staged."""
    rows = columns_of(table)
    if not len(rows[ROW]):
        # To plan its statement takes most of the time that a small run takes to write.
        kinds = {one.name: reading.type_of(one) for one in (RUN_ID, *table.columns)}
        session.execute(empty_table_of(table.name, kinds))
        return
    session.register(STAGED_ROWS, reading.read(table, rows))
    if table.beside is not None:
        session.register(ROWS_BESIDE, reading.read(table.beside, columns_of(table.beside)))
    statement = _statement(table, reading, run_id)
    used = {"initial_capital": initial_capital} if "$initial_capital" in statement else {}
    session.execute(statement, used)


def _statement(table: Table, reading: Reading, run_id: str) -> Sql:
    """Return the statement that makes a table of what its events hold."""
    held = [
        cast(
            STAGED_ROWS, column.name, reading.type_of(column),
            none=column.kind.missing if column.kind.means is Means.NUMBER_OR_NONE else None,
        )
        for column in table.held
    ]  # fmt: skip
    return render(
        "results/table",
        table=table.name,
        run_id=literal(run_id),
        columns=columns(column.name for column in table.columns),
        rows=render(table.statement, held=", ".join(held), staged=STAGED_ROWS, beside=ROWS_BESIDE),
    )
