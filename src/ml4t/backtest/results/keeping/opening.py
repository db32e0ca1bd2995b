"""Open: copy the tables of a saved run into a locked memory, and refuse what is no whole run.

A file is somebody else's until it has been looked at: only its own tables are read, by column,
after the database can reach nothing else any more.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml4t.backtest.data.database import UTC, Database, EngineError
from ml4t.backtest.data.sql_files import (
    attach_of,
    detach_of,
    null_of,
    plain_parquet,
    quote,
    read,
    render,
    rows_of,
    sample_of,
)
from ml4t.backtest.data.timezones import require_timezone
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.certified import AUDIT_SCHEMA, CERTIFICATE, write_audit
from ml4t.backtest.results.keeping.checksums import damage_in
from ml4t.backtest.results.keeping.paths import is_store, standing
from ml4t.backtest.results.run_facts import FORMAT
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.table import BAR, COUNT, Column, Table
from ml4t.backtest.results.tables import RUN_ID, TABLES

# How often a folder is read again that changed places with another while it was read.
MOST_TRIES = 20


def load(path: Path) -> Database:
    """Return a locked database with the tables of the run saved at `path`.

    Raises
    ------
    ResultError
        There is no run at `path`, it is damaged, or not one of ours.
    """
    found: Exception = _NoRunError(f"it was replaced {MOST_TRIES} times while it was read")
    for _ in range(MOST_TRIES):
        source = standing(path)
        before = _identity(source)
        if before is None:
            raise ResultError(f"there is no run at '{path}'")
        if is_store(source):
            raise ResultError(
                f"'{path}' is a store of runs; open one: RunStore({str(path)!r}).open(run_id)"
            )
        if not source.is_dir() and not source.is_file():
            # To read a pipe would wait for ever.
            raise ResultError(f"'{path}' is no saved run: it is neither a file nor a folder")
        try:
            read_run = _load_folder if source.is_dir() else _load_file
            database = read_run(source, UTC)
            _require_one_run(database)
            # Only now it is known; a locked database cannot change it.
            timezone = _timezone_of(database)
            if timezone != UTC:
                database = read_run(source, timezone)
        except _NoRunError as error:
            found = error
        except (EngineError, OSError, UnicodeError) as error:
            found = error
        else:
            if not source.is_dir() or _identity(source) == before:
                return database
            continue
        # A saver may have taken it away meanwhile.
        if _identity(standing(path)) == before:
            break
    first = str(found).splitlines()[0]
    raise ResultError(f"'{path}' is no saved run: {first}") from found


class _NoRunError(Exception):
    """What was read is not a whole run of this version."""


@contextmanager
def attached(database: Database, path: Path) -> Iterator[Database]:
    """Attach a file as ``run``, read-only, as what `database` can reach last."""
    with tempfile.TemporaryDirectory(prefix="ml4t-backtest-") as folder:
        try:
            database.execute(attach_of(path, "run", is_read_only=True))
        except EngineError as error:
            # A log that another file's user left: DuckDB refuses both, and the file is whole.
            if not log_of(path).exists() or "WAL" not in str(error):
                raise
            copy = shutil.copyfile(path, Path(folder) / "run.duckdb")
            database.execute(attach_of(copy, "run", is_read_only=True))
        database.lock()
        try:
            yield database
        finally:
            database.execute(detach_of("run"))


def log_of(path: Path) -> Path:
    """Return where DuckDB keeps changes that are not in a file yet."""
    return path.with_name(f"{path.name}.wal")


def _load_file(path: Path, timezone: str) -> Database:
    with attached(open_store(timezone), path) as database:
        found: dict[str, dict[str, str]] = {}
        # Tables alone: a view would run whatever its maker wrote, and ours are made anew.
        for table, column, kind in database.rows(read("saved/columns")):
            found.setdefault(table, {})[column] = kind
        _copy(database, {table: f"run.main.{quote(table)}" for table in found}, found)
        audit = [table for (table,) in database.rows(read("saved/audit"))]
        if CERTIFICATE in audit:
            places = {table: f"run.{AUDIT_SCHEMA}.{quote(table)}" for table in audit}
            write_audit(
                database, {table: database.arrow(rows_of(places[table])) for table in audit}
            )
    return database


def _load_folder(path: Path, timezone: str) -> Database:
    database = open_store(timezone)
    damage = damage_in(path)
    if damage is not None:
        raise _NoRunError(damage)
    files = {table: (path / f"{table}.parquet").absolute() for table in TABLES}
    places = {table: plain_parquet(str(file)) for table, file in files.items() if file.is_file()}
    found = {table: database.schema(rows_of(place)) for table, place in places.items()}
    _copy(database, places, found)
    database.lock()
    return database


def _copy(
    database: Database, places: Mapping[str, str], found: Mapping[str, Mapping[str, str]]
) -> None:
    """Copy the tables of a run, once all are there and of the types that a run writes.

    Parameters
    ----------
    places : mapping of str to str
        Where SQL reads each table that is there.
    found : mapping of str to mapping
        The columns of each, with their types.
    """
    form = _format_of(database, places, found)
    if form > FORMAT:
        raise _NoRunError(
            f"it is of format {form}, and this version reads up to {FORMAT}"
            f"{_writer_of(database, places, found)}"
        )
    time = found.get("equity", {}).get("timestamp", "TIMESTAMP")
    for name, table in TABLES.items():
        kinds = found.get(name, {})
        try:
            items = [_item(table, column, kinds, time) for column in (RUN_ID, *table.columns)]
        except _NoRunError as error:
            raise _NoRunError(f"{error}{_writer_of(database, places, found)}") from error
        if kinds:
            source = places[name]
        else:
            source = f"({rows_of(places['runs'], RUN_ID.name, where='false')}) as none"
        database.execute(
            render("saved/opened", table=name, columns=", ".join(items), source=source)
        )


def _item(table: Table, column: Column, found: Mapping[str, str], time: str) -> str:
    """Return how a column is read; NULL where a file is of before there was one."""
    name, expected = quote(column.name), column.kind.types
    if not found and not table.is_later:
        raise _NoRunError(f"it has no table '{table.name}'")
    if column.name not in found:
        if found and not column.is_later:
            raise _NoRunError(f"it has no column {table.name}.{column.name}")
        return null_of(time if column.kind is BAR else (*expected, "VARCHAR")[0], name)
    kind = found[column.name]
    if expected and kind not in expected:
        raise _NoRunError(
            f"{table.name}.{column.name} is of type {kind}, not {' or '.join(expected)}"
        )
    return name


def _format_of(
    database: Database, places: Mapping[str, str], found: Mapping[str, Mapping[str, str]]
) -> int:
    """Return the form of the tables; 1 where a file is of before it was written down."""
    if found.get("runs", {}).get("format") not in COUNT.types:
        return 1
    rows = database.rows(sample_of(rows_of(places["runs"], "format"), 1))
    return (rows[0][0] if rows else None) or 1


def _writer_of(
    database: Database, places: Mapping[str, str], found: Mapping[str, Mapping[str, str]]
) -> str:
    """Return what to do about a file of another version, and which one wrote it if it says so."""
    said = ""
    if found.get("runs", {}).get("versions") == "VARCHAR":
        rows = database.rows(sample_of(rows_of(places["runs"], "versions"), 1))
        said = f" ({rows[0][0]})" if rows else ""
    return f"; another version of the package may have written it{said}: run it again with this one"


def _require_one_run(database: Database) -> None:
    """Refuse tables that are not of one run with bars, all of them with one type of time."""
    n_runs, n_bars, n_times, n_values = database.rows(read("saved/counts"))[0]
    if n_runs != 1 or not n_bars:
        raise _NoRunError(f"it holds {n_runs} runs and {n_bars} bars")
    if not n_bars == n_times == n_values:
        raise _NoRunError(
            f"equity has {n_bars:,} rows with {n_times:,} times and {n_values:,} values; a run has "
            "one of each a bar"
        )
    run_id = database.rows(rows_of("runs", "run_id"))[0][0]
    time = database.schema(rows_of("equity", "timestamp"))["timestamp"]
    for table, declared in TABLES.items():
        kinds = database.schema(rows_of(table))
        if {kinds[one.name] for one in declared.columns if one.kind is BAR} - {time}:
            raise _NoRunError(f"{table} has times of another type than equity")
        strangers = rows_of(table, "run_id", where="run_id is distinct from $run_id")
        others = database.rows(sample_of(strangers, 1), {"run_id": run_id})
        if others:
            raise _NoRunError(f"{table} has rows of another run than '{run_id}'")


def _timezone_of(database: Database) -> str:
    """Return the zone of a run; UTC for one that names none."""
    ((configuration,),) = database.rows(rows_of("runs", "configuration"))
    try:
        return require_timezone(json.loads(configuration).get("timezone", UTC))
    except (ValueError, AttributeError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise _NoRunError(f"its configuration cannot be read, {what}") from error


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a file or folder from another that takes its name; None: there is none.

    The number alone does not: a system gives that of a folder which is gone to the next one.
    """
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_ctime_ns
