"""Store: the result tables of one run, a large one part by part.

What a run kept of a table never stands there twice as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import Sql, cast, columns, drop_of, empty_table_of, render
from ml4t.backtest.results.staging import Array, Reading
from ml4t.backtest.results.table import ROW, Column, Means, Table
from ml4t.backtest.results.tables import RUN_ID

# Returns the rows of a table, part by part.
PartsOf = Callable[[Table], Iterator[dict[str, Array]]]

# What a statement reads: the rows of its table, and those that are looked up for them.
STAGED_ROWS, ROWS_BESIDE = "staged", "beside"


def open_store(timezone: str = UTC) -> Database:
    """Return an empty database for the tables of one run, in the zone of that run."""
    # One thread: a float sum over the tables must not depend on how many there are.
    return Database(threads=1, timezone=timezone, has_plain_text=True)


def write(
    table: Table,
    parts_of: PartsOf,
    reading: Reading,
    session: Database,
    *,
    run_id: str,
    initial_capital: float,
) -> None:
    """Write one table of what its events hold, all or none, in the order in which rows are staged.

    In no transaction, which would keep the arrays of every part until its end.
    """
    kinds = {one.name: reading.type_of(one) for one in (RUN_ID, *table.columns)}
    session.execute(empty_table_of(table.name, kinds, {RUN_ID.name: run_id}))
    statement = _statement(table, reading)
    used = {"initial_capital": initial_capital} if "$initial_capital" in statement else {}
    try:
        for rows in parts_of(table):
            if not len(rows[ROW]):
                continue  # to plan its statement takes most of the time of a small run
            session.register(STAGED_ROWS, reading.read(table, rows))
            if table.beside is not None:
                (beside,) = parts_of(table.beside)
                session.register(ROWS_BESIDE, reading.read(table.beside, beside))
            session.execute(statement, used)
            session.unregister(STAGED_ROWS)
    except BaseException:
        session.execute(drop_of("table", table.name))
        raise


def _statement(table: Table, reading: Reading) -> Sql:
    """Return the statement that adds to a table what its events hold."""
    held = [cast_held(column, reading) for column in table.held]
    return render(
        "results/table",
        table=table.name,
        columns=columns(column.name for column in table.columns),
        rows=render(table.statement, held=", ".join(held), staged=STAGED_ROWS, beside=ROWS_BESIDE),
    )


def cast_held(column: Column, reading: Reading) -> str:
    """Return a column of staged rows in its type."""
    none = column.kind.missing if column.kind.means is Means.NUMBER_OR_NONE else None
    return cast(STAGED_ROWS, column.name, reading.type_of(column), none=none)
