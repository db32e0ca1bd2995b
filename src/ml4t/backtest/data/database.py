"""The one module that imports duckdb: connections, cursors, lock-down."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NewType
from weakref import finalize

import duckdb
from numpy.typing import NDArray

from ml4t.backtest.data.arrow_stream import filled, stream_parts
from ml4t.backtest.data.interrupting import Interruptible
from ml4t.backtest.data.listening import Listener
from ml4t.backtest.data.sql_files import (
    attach_of,
    columns_of,
    detach_of,
    file_literal,
    literal,
    render,
)
from ml4t.backtest.errors import ConfigError, require_text, require_whole

if TYPE_CHECKING:
    from ml4t.backtest.data.objects.files import ObjectFiles
    from ml4t.backtest.data.objects.listing import StoredObject

# The zone of all that was not given one; never the machine's.
UTC = "UTC"
Relation = duckdb.DuckDBPyRelation
Arrays = dict[str, NDArray[Any]]
EngineError = duckdb.Error
# Name of a temporary table, as `Database.make_table` gave it: what one stage hands on to the next.
TempTable = NewType("TempTable", str)
MOST_THREADS = 1_024
# DuckDB takes 0 and negative sizes, too: the one fails in every query, the other is no limit.
_SIZE = re.compile(r"\s*0*(\.0*)?[1-9][\d.]*\s*([kmgt]i?b|%)\s*", re.IGNORECASE)

# Kinds of statements that are queries; PIVOT is MULTI, for it makes a type on its way.
QUERIES = ("SELECT", "MULTI")
# Steps of a plan that change something; a name of the user's stands under other keys.
_WRITES = re.compile(
    r'"name": "[A-Z_]*(COPY_TO|INSERT|DELETE|UPDATE|MERGE|CREATE|DROP|ALTER|ATTACH)'
)


interruptible = Interruptible(EngineError)


class Database:
    """An in-memory DuckDB, or a cursor on one.

    Parameters
    ----------
    threads : int or None
        DuckDB's own default when None.
    memory_limit : str or None
        Such as ``"4GB"``; beyond it queries spill to a temporary folder.
    keeps_order : bool
        A table is read in the order in which it was written; slower for large scans.
    timezone : str
        In which times with a zone have a date and an hour, in every session.
    listener : Listener, optional
        Hears of every statement that makes or reads rows, in every session. Not of what frees
        memory, guards or describes: it changes no answer, and a guard would lock whoever pastes
        it into a session of his own.
    has_plain_text : bool
        Arrays of objects that are registered hold texts and None alone: nobody looks at a sample
        of them, in which they could be all None.
    joins_as_written : bool
        Joins are made as they are written, however many rows there are: else a few rows may be
        added up in another order than many, and a sum of floats differs in its last bit.
    keeps_footers : bool
        Of files of Parquet, which are read once, not once a query.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
        keeps_order: bool = True,
        timezone: str = UTC,
        listener: Listener | None = None,
        has_plain_text: bool = False,
        joins_as_written: bool = False,
        keeps_footers: bool = True,
    ) -> None:
        self.timezone, self._listener = timezone, listener
        # A folder of its own: DuckDB makes it when a query spills, and lets SQL read it.
        spill = Path(tempfile.gettempdir()) / f"ml4t-backtest-{token_hex(8)}"
        settings: dict[str, Any] = {"temp_directory": str(spill)}
        if threads is not None:
            # DuckDB starts as many as it is told to, a billion too.
            settings["threads"] = require_whole("threads", threads, least=1, most=MOST_THREADS)
        if memory_limit is not None:
            settings["memory_limit"] = memory_limit
        self._connection = _connect(settings)
        self._frames: dict[str, object] = {}
        self._objects: ObjectFiles | None = None
        self._ask(f"set parquet_metadata_cache = {str(keeps_footers).lower()}")
        self._ask(f"set preserve_insertion_order = {str(keeps_order).lower()}")
        # DuckDB draws a bar in notebooks alone, and refuses the setting where a kernel lacks
        # ipywidgets: there it draws none.
        with suppress(duckdb.InvalidInputException):
            self._ask("set enable_progress_bar = false")
        # Global: a cursor inherits nothing of its parent's session, and would have the machine's.
        self.execute(f"set global timezone = {literal(timezone)}")
        # Without this SQL could read any local data frame of the caller.
        self._ask("set python_enable_replacements = false")
        if has_plain_text:
            # Global, as the zone: a cursor would look.
            self._ask("set global pandas_analyze_sample = 0")
        if joins_as_written:
            self._ask("set disabled_optimizers = 'join_order'")

    @interruptible
    def cursor(self) -> Database:
        """Return a second session on the same database; an open stream needs its own."""
        other = object.__new__(Database)
        other.timezone, other._listener = self.timezone, self._listener
        other._connection = self._connection.cursor()
        other._frames, other._objects = {}, self._objects
        # A registered frame belongs to one session: without this no cursor would see it.
        for name, frame in self._frames.items():
            other._connection.register(name, frame)
            other._frames[name] = frame
        return other

    def reader(self) -> Database:
        """Return a session on the same database that can write nothing into it."""
        return self.cursor().only_reads()

    def only_reads(self) -> Database:
        """Have this session write nothing from now on; after an error it reads on."""
        with suppress(EngineError):  # there is none at first
            self._ask("rollback")
        self._ask("begin transaction read only")
        return self

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all that is inside, or nothing of it."""
        self._ask("begin")
        try:
            yield
        except BaseException:
            self._ask("rollback")
            raise
        self._ask("commit")

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement for its effect."""
        with interruptible:
            self._run(statement, parameters)

    def make_table(
        self,
        name: str,
        file: str,
        parameters: Mapping[str, object] | None = None,
        **places: str,
    ) -> TempTable:
        """Make a temporary table of this session by a file that has it for its ``:target``.

        Parameters
        ----------
        name : str
            An earlier one of the name goes.
        file : str
            Under ``sql/``, as `render` takes it.

        Returns
        -------
        TempTable
            The one way to its rows: no statement and no other module knows the name.
        """
        table = TempTable(f"temp.{name}")
        self._make(table, render(file, target=table, **places), parameters)
        return table

    def _make(
        self,
        table: TempTable,  # noqa: ARG002 - for who remembers which statement made it
        statement: str,
        parameters: Mapping[str, object] | None,
    ) -> None:
        """Run the statement that makes a temporary table."""
        self.execute(statement, parameters)

    def rows(
        self, query: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with interruptible:
            self._run(query, parameters)
            return self._connection.fetchall()

    def records(
        self, query: str, parameters: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Return all rows of a query as mappings."""
        rows = self.rows(query, parameters)
        names = [column[0] for column in self._connection.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def numpy(self, query: str, parameters: Mapping[str, object] | None = None) -> Arrays:
        """Return a query's columns as arrays; NULL in a float column is NaN."""
        with interruptible:
            self._run(query, parameters)
            found = self._connection.fetchnumpy()
        return {name: filled(values) for name, values in found.items()}

    def columns(
        self, about: Mapping[str, Sequence[object]], make: Callable[[list[str]], Arrays]
    ) -> Arrays:
        """Return arrays made of what this session answers.

        Parameters
        ----------
        about : mapping of str to sequence
            By name, what decides an array beside the tables named in it; as text it says all.
        make : callable of names, whose arrays nobody writes to
        """
        return make(list(about))

    def stream(self, query: str) -> Iterator[Arrays]:
        """Yield a query's numbers part by part; see `arrow_stream.stream_parts`."""
        with interruptible:
            if self._listener is not None:
                self._listener.statement(query, None, self._ask)
            relation = self._connection.sql(query)
            yield from stream_parts(relation.__arrow_c_stream__(), EngineError)

    def schema(self, query: str) -> dict[str, str]:
        """Return the columns of a query with their types, without running it."""
        return {row[0]: row[1] for row in self._ask(columns_of(query))}

    def _run(self, statement: str, parameters: Mapping[str, object] | None) -> None:
        """Run a statement of which the listener hears: the one way of those that a run is of."""
        if self._listener is not None:
            self._listener.statement(statement, parameters, self._ask)
        self._connection.execute(statement, parameters or None)

    def _ask(
        self, statement: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement of which no listener hears."""
        with interruptible:
            self._connection.execute(statement, parameters or None)
            return self._connection.fetchall()

    def statements(self, text: str) -> list[str]:
        """Return the kind of each SQL statement that `text` holds, such as ``SELECT``."""
        require_text("query", text)
        return [one.type.name for one in self._connection.extract_statements(text)]

    def require_query(self, text: str) -> None:
        """Refuse what is more or less than one query that only reads; nothing is run.

        DuckDB's own plan tells: what writes a file or a table inside a query is no kind of
        statement, and no parser but its own would see it for sure. To be asked of a `reader`.

        Raises
        ------
        ConfigError
            It says what the text is.
        """
        kinds = self.statements(text)
        what = kinds[0] if len(kinds) == 1 else f"{len(kinds)} statements"
        failed: duckdb.Error | None = None
        if what in QUERIES:
            try:
                ((_, plan),) = self._ask(f"explain (format json) {text}")
            except duckdb.TransactionException:
                what = "a query that writes"
            except duckdb.Error as error:
                failed = error
            else:
                if not _WRITES.search(plan):
                    return
                what = "a query that writes"
        if failed is not None:
            self._connection.sql(text)  # the same error, without our word before the text
            raise failed
        raise ConfigError(f"one query that only reads is taken, was {what}")

    def sql(self, query: str) -> Relation:
        """Return a lazy relation over `query`; what is wrong with its SQL is DuckDB's own error."""
        require_text("query", query)
        return self._connection.sql(query)

    def keep(self, kept: object) -> None:
        """Have an object live as long as this session, and every relation made of it."""
        finalize(self._connection, lambda _: None, kept)

    def interrupt(self) -> None:
        """End what this session computes, from another thread; DuckDB raises it there."""
        self._connection.interrupt()

    @contextmanager
    def reading(self, file: Path, name: str) -> Iterator[Database]:
        """Have a file of DuckDB under a name, to be read alone; then let go of it for good.

        Nothing else of the machine can be read meanwhile, nor by this database after it.
        """
        try:
            # Or a HUGEINT, such as a sum of whole numbers, would come as a double.
            self._ask("set arrow_lossless_conversion = true")
            self._ask(attach_of(file, name, is_read_only=True))
            self.lock()
            yield self
        finally:
            self._connection.close()

    @contextmanager
    def writing(self, file: Path, name: str, options: Mapping[str, str]) -> Iterator[None]:
        """Make a file of DuckDB whose tables are those of this session, all or none.

        Parameters
        ----------
        options : mapping of str to str
            Of its form, such as ``storage_version``.
        """
        # With more a commit writes a log, syncs it, and all is written again when that is read.
        self._ask("set checkpoint_threshold = '1KB'")
        self._ask("set auto_checkpoint_skip_wal_threshold = 0")
        # Half of the time that it takes to write a run, and of texts that repeat it saves nothing.
        self._ask("set disabled_compression_methods = 'fsst'")
        self._ask(attach_of(file, name, options=options))
        self._ask(f"use {name}")
        with self.transaction():
            yield
            # Columns are compressed side by side; to write rows is less work for one alone.
            self._ask("set threads = 2")
        self._ask("set threads = 1")
        self._ask("use memory")
        self._ask(detach_of(name))

    def arrow(self, query: str) -> Any:
        """Return a query's rows as an Arrow table."""
        with interruptible:
            return self._connection.sql(query).to_arrow_table()

    @interruptible
    def register(self, name: str, source: object) -> None:
        """Make an in-memory frame or a dict of arrays readable under `name`."""
        self._connection.register(name, source)
        self._frames[name] = source
        if self._listener is not None:
            self._listener.frame(name, self._ask)

    def unregister(self, name: str) -> None:
        """Undo `register`, if there was one."""
        if self._frames.pop(name, None) is not None:
            # An error has ended the transaction: what it was stands before any error of this.
            with suppress(duckdb.TransactionException):
                self._connection.unregister(name)

    def serve(self, objects: Iterable[StoredObject]) -> None:
        """Have objects be readable by their URLs, at the versions that were looked at."""
        from ml4t.backtest.data.objects.files import ObjectFiles

        if self._objects is None:
            self._objects = ObjectFiles()
            self._connection.register_filesystem(self._objects)
        self._objects.serve(objects)

    def lock(self, files: Sequence[str] = ()) -> None:
        """Keep user SQL, and relations made of it, to some files and objects; freeze the settings.

        Not to the files' folders: DuckDB lets what may be read be written too, by the writing
        methods of a relation, and a file added to a registered folder would be of the next run. It
        writes beside a file before it takes its place, and that is refused.
        A guard rail, no sandbox: what DuckDB says about untrusted SQL is in LIMITATIONS.

        Parameters
        ----------
        files : sequence of str
            Local, absolute; objects that are served may be read as well.
        """
        # A file in a folder with brackets is read by a pattern, which DuckDB compares as a text.
        spelled = dict.fromkeys(form(file) for file in files for form in (literal, file_literal))
        served = map(literal, self._objects.urls if self._objects else ())
        self._ask("set autoinstall_known_extensions = false")
        self._ask("set autoload_known_extensions = false")
        self._ask(f"set allowed_paths = [{', '.join((*spelled, *served))}]")
        self._ask("set enable_external_access = false")
        self._ask("set lock_configuration = true")


def _connect(settings: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    limit = settings.get("memory_limit")
    must = "memory_limit must be a size above 0 such as '4GB'"
    if limit is not None and not (isinstance(limit, str) and _SIZE.fullmatch(limit)):
        raise ConfigError(f"{must}, was {limit!r}")
    try:
        return duckdb.connect(":memory:", config=settings)
    except duckdb.Error as error:
        if limit is None:
            raise
        raise ConfigError(f"{must}, was {limit!r}") from error


def is_relation(source: object) -> bool:
    """Say whether `source` is a DuckDB relation, of whatever connection."""
    return isinstance(source, duckdb.DuckDBPyRelation)
