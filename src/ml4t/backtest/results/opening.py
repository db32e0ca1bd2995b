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

from ml4t.backtest.data.database import UTC, Database, EngineError, require_timezone
from ml4t.backtest.data.sql_files import (
    attach_of,
    detach_of,
    file_literal,
    read,
    render,
    rows_of,
    sample_of,
)
from ml4t.backtest.data.sql_files import columns as listed
from ml4t.backtest.errors import ResultError
from ml4t.backtest.results.paths import standing
from ml4t.backtest.results.store import open_store
from ml4t.backtest.results.table import BAR
from ml4t.backtest.results.tables import COLUMNS, RUN_ID, TABLES

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
        for table, column, kind in database.rows(read("saved/columns")):
            found.setdefault(table, {})[column] = kind
        for table in TABLES:
            _copy(database, table, f"run.main.{table}", found.get(table))
    return database


def _load_folder(path: Path, timezone: str) -> Database:
    database = open_store(timezone)
    for table in TABLES:
        file = path / f"{table}.parquet"
        if not file.is_file():
            raise _NoRunError(f"it has no '{file.name}'")
        source = f"read_parquet({file_literal(str(file.absolute()))})"
        _copy(database, table, source, database.schema(rows_of(source)))
    database.lock()
    return database


def _copy(database: Database, table: str, source: str, found: Mapping[str, str] | None) -> None:
    """Copy the columns of a table, once all are there and of the types that a run writes."""
    if found is None:
        raise _NoRunError(f"it has no table '{table}'{_OTHER_VERSION}")
    for column in (RUN_ID, *TABLES[table].columns):
        if column.name not in found:
            raise _NoRunError(f"it has no column {table}.{column.name}{_OTHER_VERSION}")
        kind, expected = found[column.name], column.kind.types
        if expected and kind not in expected:
            raise _NoRunError(
                f"{table}.{column.name} is of type {kind}, not {' or '.join(expected)}"
                f"{_OTHER_VERSION}"
            )
    names = listed(COLUMNS[table])
    database.execute(render("saved/opened", table=table, columns=names, source=source))


_OTHER_VERSION = "; another version of the package may have written it: run it again with this one"


def _require_one_run(database: Database) -> None:
    """Refuse tables that are not of one run with bars, all of them with one type of time."""
    n_runs, n_bars = database.rows(read("saved/counts"))[0]
    if n_runs != 1 or not n_bars:
        raise _NoRunError(f"it holds {n_runs} runs and {n_bars} bars")
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
