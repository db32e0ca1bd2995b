"""Store: the result tables, written in one transaction at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping

from ml4t.backtest.core.axes import Axes
from ml4t.backtest.core.terms import Instruments
from ml4t.backtest.data.database import UTC, Database
from ml4t.backtest.data.sql_files import Sql, cast, columns, empty_table_of, render
from ml4t.backtest.results.run_facts import RunFacts
from ml4t.backtest.results.staging import Array, Reading, Staged
from ml4t.backtest.results.table import ROW, Table
from ml4t.backtest.results.tables import RUN_ID, SEEN, STAGED, TABLES
from ml4t.backtest.results.trade_tables import EXCURSIONS


def open_store(timezone: str = UTC) -> Database:
    """Return an empty database for the tables of one run, in the zone of that run."""
    # One thread: a float sum over the tables must not depend on how many there are.
    return Database(threads=1, timezone=timezone, has_plain_text=True)


def write_tables(
    staged: Staged, axes: Axes, terms: Instruments, facts: RunFacts, database: Database
) -> None:
    """Write a run's tables but the late ones into an empty database, all or none, and lock it."""
    reading = Reading(axes, terms)
    parameters = {"run_id": facts.run_id, "initial_capital": facts.initial_capital}
    helpers = [one for one in STAGED if one.name not in TABLES]
    with database.transaction():
        for helper in helpers:
            database.register(helper.staged, reading.read(helper, staged[helper.staged]))
        for table in TABLES.values():
            if not table.is_on_demand:
                write(table, staged[table.staged], reading, parameters, database)
        for helper in helpers:
            database.unregister(helper.staged)
    database.lock()


def write(
    table: Table,
    columns: dict[str, Array],
    reading: Reading,
    parameters: Mapping[str, object],
    database: Database,
) -> None:
    """Write one table of what its events hold."""
    if not len(columns[ROW]):
        # To plan its statement takes most of the time that a small run takes to write.
        kinds = {one.name: reading.type_of(one) for one in (RUN_ID, *table.columns)}
        database.execute(empty_table_of(table.name, kinds))
        return
    database.register(table.staged, reading.read(table, columns))
    statement = _statement(table, reading)
    used = {name: value for name, value in parameters.items() if f"${name}" in statement}
    database.execute(statement, used)
    database.unregister(table.staged)


def _statement(table: Table, reading: Reading) -> Sql:
    """Return the statement that makes a table of what its events hold."""
    held = [cast("staged", column.name, reading.type_of(column)) for column in table.held]
    return render(
        "results/table",
        table=table.name,
        columns=columns(column.name for column in table.columns),
        rows=render(
            table.statement,
            held=", ".join([*held, columns([ROW], "staged")]),
            staged=table.staged,
            seen=SEEN.staged,
            excursions=EXCURSIONS.staged,
        ),
        keys=columns(table.order),
    )
