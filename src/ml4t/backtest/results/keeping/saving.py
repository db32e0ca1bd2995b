"""Save: judge what stands there, write beside it, sync, and take its place in one step.

Until the last step what stood there is whole and untouched, after it the new run is. Whatever
kills a saver in between leaves a folder of its own, which the next one removes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ml4t.backtest.core.workplace import place_beside, sync
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sql_files import (
    all_of,
    attach_of,
    copied_form_of,
    csv_of,
    detach_of,
    insert_of,
    literal,
    parquet_of,
    plain_parquet,
    quote,
    read,
    rows_of,
    sample_of,
)
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.certified import (
    AUDIT_SCHEMA,
    CERTIFICATE,
    audit_tables_of,
    write_audit,
)
from ml4t.backtest.results.keeping.checksums import CHECKSUMS, is_ours, write_checksums
from ml4t.backtest.results.keeping.empty_run import empty_run
from ml4t.backtest.results.keeping.opening import attached, log_of
from ml4t.backtest.results.keeping.paths import is_store, put, turn_in
from ml4t.backtest.results.keeping.run_tables import MadeTables, RunTables
from ml4t.backtest.results.report.view import SCHEMA
from ml4t.backtest.results.report.views import VIEWS
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.tables import TABLES

FILE_SUFFIXES = (".duckdb", ".db")
# Every DuckDB from 1.2 on reads it, DuckDB-Wasm too. In blocks of DuckDB's own size a month's run
# is 2.6 MB, in these 0.2.
FORM = {"storage_version": "v1.2.0", "block_size": "16384"}
# What is raised where the system does not let something be written.
NOT_WRITTEN = (OSError, EngineError)
# Takes a session that writes a file, and the name of the file in it.
WriteMore = Callable[[Database, str], None]


def save_file(database: Database, path: Path, write: WriteMore | None = None) -> None:
    """Write the tables of a run to a file of DuckDB.

    Parameters
    ----------
    write : callable, optional
        Called last with the session that writes, and the name of the file in it: makes more there.
        By default the audit that came with a run that was opened goes along.

    Raises
    ------
    ResultError
        Something else than a saved run stands there, or it could not be written.
    """
    rows = database.cursor()  # of its own: several may save one result at a time
    _save(path, partial(_write_file, rows, write or partial(_write_audit, rows)))


def save_folder(tables: RunTables, path: Path, writer: Database | None = None) -> None:
    """Write the tables of a run to a folder of Parquet; see `save_file`.

    Parameters
    ----------
    writer : Database, optional
        Writes many runs: to begin one takes as long as to write half of a small one.
    """

    def write(made: Path) -> None:
        _write_folder(tables, made, parquet_of, "parquet", writer or open_store())
        sync(write_checksums(made, [f"{table}.parquet" for table in TABLES]))
        sync(made)

    _save(path, write)


def export_csv(tables: RunTables, path: Path) -> None:
    """Write each table of a run to a file of CSV in the folder `path`; see `save_file`.

    Raises
    ------
    ResultError
        Something else than such files stands there, or they could not be written.
    """

    def write(made: Path) -> None:
        _write_folder(tables, made, csv_of, "csv", open_store())

    write_beside(path, write, "written", require=_require_csv_alone)


def _save(path: Path, write: Callable[[Path], None]) -> None:
    write_beside(path, write, "saved", require=require_replaceable, settle=_settle_log)


def write_beside(
    path: Path,
    write: Callable[[Path], None],
    done: str,
    *,
    require: Callable[[Path], None],
    settle: Callable[[Path], None] | None = None,
) -> None:
    """Have something written beside `path`, and put it there in one step.

    Parameters
    ----------
    write : callable
        Makes the file or folder, which is called as that at `path` is.
    done : str
        What could not be done, in the error.
    require : callable
        Refuses to write over what stands there.
    settle : callable, optional
        Ends what belongs to what stands there, before it is replaced.

    Raises
    ------
    ResultError
    """
    target = path
    try:
        target = _led_to(path)
        require(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with place_beside(target) as folder:
            made = folder / target.name
            write(made)
            with turn_in(target.parent):
                require(target)  # another may have been faster
                if settle is not None:
                    settle(target)
                put(made, target)
    except NOT_WRITTEN as error:
        raise ResultError(
            f"'{target}' could not be {done}: {reason_of(error)}; what stood there is as it was"
        ) from error


def reason_of(error: Exception) -> str:
    """Return in one line why something could not be written."""
    text = " ".join(str(error).split())
    # Of a file that is written beside its query DuckDB says it as an object of JSON.
    begin = text.find('{"exception_type"')
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text[begin:])["exception_message"])
    return text


def _require_csv_alone(target: Path) -> None:
    """Refuse to write over a file, or a folder with anything but tables of a run as CSV."""
    if target.exists() and not target.is_dir():
        raise ResultError(f"'{target}' is no folder; CSV goes into one, a file per table")
    known = {f"{table}.csv" for table in TABLES}
    for item in sorted(target.iterdir()) if target.is_dir() else ():
        if item.name not in known or not item.is_file():
            raise ResultError(
                f"'{target}' holds '{item.name}', which no export wrote; pick another folder"
            )


def _led_to(path: Path) -> Path:
    """Return where a link leads to, or what is no link."""
    if not path.is_symlink():
        return path
    try:
        target = path.resolve()
    except RuntimeError:  # Python below 3.13, of a link that leads back to itself
        target = path
    if target.is_symlink():
        raise ResultError(f"'{path}' is a link that leads to itself; pick another path")
    return target


def require_replaceable(target: Path) -> None:
    """Refuse to write over what is no saved run, or more than one."""
    if is_store(target):
        raise ResultError(
            f"'{target}' is a store of runs, which is added to: "
            f"RunStore({str(target)!r}).add(result)"
        )
    if target.is_dir():
        strangers = _strangers_in_folder(target)
    elif target.exists() and not target.is_file():
        # A device or a pipe: it would be gone, and all that use it with it.
        raise ResultError(f"'{target}' is neither a file nor a folder; pick another path")
    elif target.exists() and target.stat().st_size:
        strangers = _strangers_in_file(target)
    else:
        return
    if strangers:
        raise ResultError(f"'{target}' holds {strangers[0]}, which no run wrote; pick another path")


def _strangers_in_folder(target: Path) -> list[str]:
    """Return what is in a folder beside the tables of a run."""
    known = {f"{table}.parquet" for table in TABLES}
    items = sorted(target.iterdir())
    items = [item for item in items if item.name != CHECKSUMS or not is_ours(target)]
    found = [f"'{item.name}'" for item in items if item.name not in known or not item.is_file()]
    if found:
        return found
    database = open_store()
    for item in items:
        try:
            columns = database.schema(rows_of(plain_parquet(str(item))))
        except EngineError:
            columns = {}
        if "run_id" not in columns:
            found.append(f"'{item.name}'")
    if items and not (target / "runs.parquet").exists():
        found.append(f"'{items[0].name}' without 'runs.parquet'")
    return found


def _strangers_in_file(target: Path) -> list[str]:
    """Return what is in a file beside the tables of a run, of this version or of an earlier one.

    A table without rows is nothing to lose.
    """
    try:
        with attached(open_store(), target) as database:
            found = database.rows(read("saved/contents"))
            tables = {name for kind, schema, name in found if (kind, schema) == ("table", "main")}
            of_audit = {name for kind, schema, name in found if schema == AUDIT_SCHEMA}
            strangers = []
            for kind, schema, name in found:
                place = f"run.{quote(schema)}.{quote(name)}"
                if (kind, schema) == ("view", SCHEMA) and name in VIEWS:
                    continue  # whatever its text is: it is made anew
                if (kind, schema) == ("table", AUDIT_SCHEMA) and CERTIFICATE in of_audit:
                    continue  # goes with the run that it is of
                if kind != "table":
                    strangers.append(f"the {kind} '{name}'")
                elif schema == "main" and name in TABLES:
                    if "run_id" not in database.schema(rows_of(place)):
                        strangers.append(f"a table '{name}' without run_id")
                elif database.rows(sample_of(rows_of(place, "1"), 1)):
                    strangers.append(f"the table '{name}'")
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise ResultError(
            f"'{target}' exists and is no saved run ({first}); pick another path"
        ) from error
    return strangers if "runs" in tables else [*strangers, "a database without a table 'runs'"]


def _settle_log(target: Path) -> None:
    """Leave no log of changes that would be read as one of the new file's."""
    log = log_of(target)
    if not log.exists():
        return
    if target.is_file():
        database = open_store()
        try:
            # What the log says is put into the old file first: until it is replaced it is whole.
            database.execute(attach_of(target, "run"))
            database.execute(read("saved/checkpoint"))
            database.execute(detach_of("run"))
        except EngineError:
            pass  # the log of another file
    log.unlink(missing_ok=True)


def _write_file(database: Database, write: WriteMore, path: Path) -> None:
    tables = MadeTables(database)
    with empty_run({table: tables.kinds(table) for table in TABLES}) as writer:
        with writer.writing(path, "saved", FORM):
            writer.execute(copied_form_of("saved"))
            for table in _filled(database):
                tables.hand_over(table, writer, partial(insert_of, table))
            write(writer, "saved")
        sync(path)
    sync(path.parent)


def _write_audit(database: Database, writer: Database, _: str) -> None:
    tables = audit_tables_of(database)
    if tables:
        write_audit(writer, tables)


def _write_folder(
    tables: RunTables, folder: Path, statement: Callable[..., str], suffix: str, writer: Database
) -> None:
    folder.mkdir()
    for table in TABLES:
        path = folder / f"{table}.{suffix}"
        tables.hand_over(table, writer, partial(statement, path=path))
        sync(path)
    sync(folder)
    sync(folder.parent)


def _filled(database: Database) -> list[str]:
    """Return the tables that have rows."""
    first = (f"({sample_of(rows_of(table, literal(table)), 1)})" for table in TABLES)
    return [table for (table,) in database.rows(all_of(first))]
