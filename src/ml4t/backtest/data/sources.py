"""Sources: what was registered, and how it is scanned.

A path, a glob, a folder, a list of paths or a URL becomes ``read_parquet(...)``; a frame is
registered under its own name; SQL text becomes a table. Whatever it was, the rest of the
package reads one relation, ``raw.<name>``.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml4t.backtest.data.database import Database, EngineError, is_relation
from ml4t.backtest.data.queries import literal, quote, render
from ml4t.backtest.errors import ConfigError, DataError

Role = Literal["prices", "features", "context", "universe", "actions", "assets", "borrow"]
ROLES: tuple[Role, ...] = (
    "prices", "features", "context", "universe", "actions", "assets", "borrow",
)  # fmt: skip
# Roles of which a run has one source; of the others any number, each under a name of its own.
SINGLE: tuple[Role, ...] = ("prices", "universe", "actions", "assets", "borrow")
# Roles whose rows become known at a time of their own.
CLOCKED: tuple[Role, ...] = ("features", "context", "borrow")
_SQL = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/)*(select|with|from)\s", re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"[a-z0-9]+://", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)_\d+")
# Views and temporary tables of a run; a source of that name would stand in for them.
TAKEN = re.compile(r"market|signals|timeline|raw|stage|bars|decisions|at_\w+|__.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One registered source.

    Attributes
    ----------
    role : str
    name : str
        View name; the role's own name unless several features sources are registered.
    given : object
        What the user passed.
    available_at : str or None
        Column that says when a row became known.
    lag, max_age : str or None
        Intervals such as ``"1 day"``.
    drop_bad_rows : bool
    """

    role: Role
    name: str
    given: object
    available_at: str | None = None
    lag: str | None = None
    max_age: str | None = None
    drop_bad_rows: bool = False

    @property
    def is_files(self) -> bool:
        """Whether the source is files that DuckDB reads by itself."""
        return _paths(self.given) is not None

    def paths(self) -> list[str]:
        """Return the files or globs of a file source, absolute; empty for a frame."""
        return [
            path if _URL.match(path) else str(Path(path).expanduser().resolve())
            for path in _paths(self.given) or []
        ]

    def folders(self) -> list[str]:
        """Return the folders (or URL prefixes) that a file source reads from."""
        found = []
        for path in self.paths():
            stem = re.split(r"[*?\[]", path)[0]
            found.append(stem if Path(path).is_dir() else stem.rsplit("/", 1)[0] or "/")
        # A link is read where it leads to.
        found += {str(file.resolve().parent) for file in self.files() if file.is_symlink()}
        return found

    def files(self) -> list[Path]:
        """Return the local files behind the source, sorted; empty for frames and URLs."""
        found: list[Path] = []
        for path in self.paths():
            if _URL.match(path):
                continue
            pattern = f"{path}/**/*.parquet" if Path(path).is_dir() else path
            # Path.glob cannot take an absolute pattern.
            found += [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        return sorted(found)


def scannable(name: str, given: object) -> object:
    """Return what DuckDB can scan again and again: paths and SQL as they are, frames as Arrow.

    Raises
    ------
    ConfigError
        `given` is none of the kinds that can be registered.
    DataError
        Its columns do not make a table.
    """
    if _paths(given) is not None or isinstance(given, str):
        return given
    try:
        return _frame(name, given)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise DataError(name, "readable", f"could not be read: {error}") from error


def of_lazy(name: str, ask: Callable[[], Any]) -> Any:
    """Return what a lazy frame answers; what is wrong with its plan shows only then.

    Raises
    ------
    DataError
        The plan names a column that is not there, or a file that cannot be read.
    """
    import polars as pl

    try:
        return ask()
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise DataError(name, "readable", f"could not be collected: {first}") from error


def attach(source: Source, database: Database) -> dict[str, str]:
    """Create ``raw.<name>`` over a source and return its columns with their types.

    Raises
    ------
    DataError
        No file matches, a file is no Parquet or cut short, the frame cannot be read, or two
        columns differ in case alone.
    """
    name = quote(source.name)
    given = source.given
    try:
        if source.is_files:
            scan = _parquet_scan(source, database)
            database.execute(f"create or replace view raw.{name} as select * from {scan}")
        elif isinstance(given, str):
            if database.n_statements(given) != 1:
                raise DataError(source.name, "readable", "must be a single SQL query")
            database.execute(f"create or replace table raw.{name} as {given}")
        else:
            database.register(f"__{source.name}", given)
            scan = quote(f"__{source.name}")
            database.execute(f"create or replace view raw.{name} as select * from {scan}")
        found = database.schema(f"select * from raw.{name}")
        _require_own_names(source, found, database)
    except EngineError as error:
        first = str(error).splitlines()[0]
        raise DataError(source.name, "readable", f"could not be read: {first}") from error
    return found


def file_facts(source: Source) -> list[dict[str, object]]:
    """Return path, size and modification time of the files behind a source; [] for frames."""
    return [
        {"path": str(path), "bytes": path.stat().st_size, "modified_ns": path.stat().st_mtime_ns}
        for path in source.files()
    ]


def fingerprint(
    source: Source, columns: Mapping[str, str], database: Database
) -> dict[str, object]:
    """Return what identifies a source's content: files, or for a frame a hash of its rows."""
    facts: dict[str, object] = {
        "role": source.role,
        "name": source.name,
        # A list: the order of the columns is part of the content.
        "columns": [list(item) for item in columns.items()],
    }
    if source.is_files:
        facts["files"] = file_facts(source) or source.paths()
    else:
        relation = f"raw.{quote(source.name)}"
        query = render("sources/content_hash", source=relation)
        n_rows, content = database.rows(query)[0]
        facts |= {"rows": n_rows, "content_hash": str(content)}
    for name in ("available_at", "lag", "max_age"):
        if getattr(source, name) is not None:
            facts[name] = getattr(source, name)
    return facts


def _paths(given: object) -> list[str] | None:
    if isinstance(given, Path):
        return [str(given)]
    if isinstance(given, str):
        return None if _SQL.match(given) else [given]
    if (
        isinstance(given, (list, tuple))
        and given
        and all(isinstance(p, (str, Path)) for p in given)
    ):
        return [str(path) for path in given]
    return None


def _parquet_scan(source: Source, database: Database) -> str:
    paths = source.paths()
    remote = [path for path in paths if _URL.match(path)]
    if remote:
        try:
            database.execute("load httpfs")
        except EngineError as error:
            raise DataError(
                source.name, "readable", f"is at {remote[0]}, which needs DuckDB's httpfs "
                "extension; install it once with: duckdb -c 'install httpfs'",
            ) from error  # fmt: skip
    elif not source.files():
        raise DataError(source.name, "readable", f"matches no file: {', '.join(paths)}")
    scans = _scans(source)
    return f"read_parquet([{', '.join(scans)}], union_by_name = {len(scans) > 1})"


def _scans(source: Source) -> list[str]:
    """Return what DuckDB is to read of a file source, each as an SQL string."""
    return [
        literal(f"{path}/**/*.parquet" if Path(path).is_dir() else path) for path in source.paths()
    ]


def _require_own_names(source: Source, found: Mapping[str, str], database: Database) -> None:
    """Refuse columns that differ in case alone: DuckDB would call x and X x and X_1."""
    known = {name.lower() for name in found}
    numbered = (_NUMBERED.fullmatch(name.lower()) for name in found)
    # Files are read for their names only where there is a number that DuckDB may have added.
    if not any(match and match[1] in known for match in numbered):
        return
    own = _own_names(source, database)
    if set(found) <= set(own):
        return
    spelled: dict[str, str] = {}
    for name in own:
        other = spelled.setdefault(name.lower(), name)
        if other != name:
            raise DataError(
                source.name, "columns", f"has columns '{other}' and '{name}', which are one to "
                "SQL; rename one of them",
            )  # fmt: skip


def _own_names(source: Source, database: Database) -> list[str]:
    """Return the columns of files or a frame as they are called there; [] for SQL text."""
    if source.is_files:
        query = f"select distinct name from parquet_schema([{', '.join(_scans(source))}])"
        return sorted(row[0] for row in database.rows(query))
    if isinstance(source.given, str):
        return []
    given: Any = source.given
    is_arrow = type(given).__module__.startswith("pyarrow")
    return [str(name) for name in (given.schema.names if is_arrow else given.columns)]


def _frame(name: str, given: object) -> object:
    if is_relation(given):
        return given.to_arrow_table()  # type: ignore[attr-defined]
    kind = f"{type(given).__module__}.{type(given).__name__}"
    if kind.startswith("pyarrow") and hasattr(given, "read_all"):
        return given.read_all()  # a reader can be read once, a run reads its sources often
    if kind.startswith("polars") and hasattr(given, "collect"):
        return of_lazy(name, given.collect).to_arrow()
    if kind.startswith("polars"):
        return given.to_arrow()  # type: ignore[attr-defined]
    if kind.startswith("pandas"):
        named = [name for name in given.index.names if name is not None]  # type: ignore[attr-defined]
        # A copy: a frame edited later must not change what was checked.
        return given.reset_index() if named else given.copy()  # type: ignore[attr-defined]
    if kind.startswith("pyarrow"):
        return given
    if isinstance(given, Mapping):
        import pyarrow as pa

        return pa.table(dict(given))
    raise ConfigError(
        f"source '{name}' is a {type(given).__name__}; pass a path, a glob, a list of "
        "paths, a URL, SQL text, a relation, or an Arrow, Polars or pandas frame"
    )
