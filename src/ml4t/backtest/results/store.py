"""Store: the result tables of one run, a large one part by part.

What a run kept of a table never stands there twice as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import (
    Sql,
    cast,
    cast_columns,
    columns,
    drop_of,
    empty_table_of,
    render,
    rows_of,
)
from ml4t.backtest.results.staging import Array, Reading
from ml4t.backtest.results.table import ROW, Column, Means, Table
from ml4t.backtest.results.tables import RUN_ID

# Returns the rows of a table, part by part.
PartsOf = Callable[[Table], Iterator[dict[str, Array]]]
# Returns the statement that takes the rows of a query, such as into a file.
StatementOf = Callable[[str], str]

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
    kinds = kinds_of(table, reading)
    session.execute(empty_table_of(table.name, kinds, {RUN_ID.name: run_id}))
    names = columns(column.name for column in table.columns)
    statement = render(
        "results/table", table=table.name, columns=names, rows=_rows_of(table, reading)
    )
    used = {"initial_capital": initial_capital}
    try:
        for rows in parts_of(table):
            if len(rows[ROW]):  # to plan its statement takes most of the time of a small run
                _run(table, rows, parts_of, reading, session, statement, used)
    except BaseException:
        session.execute(drop_of("table", table.name))
        raise


def hand_over(
    table: Table,
    parts_of: PartsOf,
    reading: Reading,
    session: Database,
    statement_of: StatementOf,
    *,
    run_id: str,
    initial_capital: float,
) -> None:
    """Hand the rows that `write` makes of one table to a statement; few of them fill no table.

    Parameters
    ----------
    session : Database
        Has no table of that name.
    """
    kinds = kinds_of(table, reading)
    parts = parts_of(table)
    rows, more = next(parts, None), next(parts, None)
    if more is None and rows is not None and len(rows[ROW]):
        typed = cast_columns(kinds, "made", same={RUN_ID.name: run_id})
        query = rows_of(f"({_rows_of(table, reading)}) as made", typed)
        used = {"initial_capital": initial_capital}
        _run(table, rows, parts_of, reading, session, statement_of(query), used)
        return
    of_all = chain(filter(None, (rows, more)), parts)
    write(table, lambda _: of_all, reading, session, run_id=run_id, initial_capital=initial_capital)
    try:
        session.execute(statement_of(rows_of(table.name)))
    finally:
        session.execute(drop_of("table", table.name))


def kinds_of(table: Table, reading: Reading) -> dict[str, str]:
    """Return the columns of a table with their types."""
    return {one.name: reading.type_of(one) for one in (RUN_ID, *table.columns)}


def _run(
    table: Table,
    rows: dict[str, Array],
    parts_of: PartsOf,
    reading: Reading,
    session: Database,
    statement: str,
    used: Mapping[str, object],
) -> None:
    """Run a statement over staged rows, with those of its parameters that it has."""
    session.register(STAGED_ROWS, reading.read(table, rows))
    if table.beside is not None:
        (beside,) = parts_of(table.beside)
        session.register(ROWS_BESIDE, reading.read(table.beside, beside))
    session.execute(statement, {name: one for name, one in used.items() if f"${name}" in statement})
    session.unregister(STAGED_ROWS)


def _rows_of(table: Table, reading: Reading) -> Sql:
    """Return the query of a table's rows, of what its events hold."""
    held = ", ".join(cast_held(column, reading) for column in table.held)
    return render(table.statement, held=held, staged=STAGED_ROWS, beside=ROWS_BESIDE)


def cast_held(column: Column, reading: Reading) -> str:
    """Return a column of staged rows in its type."""
    none = column.kind.missing if column.kind.means is Means.NUMBER_OR_NONE else None
    return cast(STAGED_ROWS, column.name, reading.type_of(column), none=none)
