"""Attaching: whatever a source is, the rest of the package reads one relation, ``raw.<name>``.

Files are scanned as their form in `forms` says; a frame is registered under its own name; SQL text
becomes a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.adapted import Change
from ml4t.backtest.data.sources.datasets import require_complete
from ml4t.backtest.data.sources.files import listed
from ml4t.backtest.data.sources.forms.choosing import scan_files
from ml4t.backtest.data.sources.forms.kinds import FILE_KINDS, PARQUET, beginning
from ml4t.backtest.data.sources.forms.reading import PLAINLY
from ml4t.backtest.data.sources.source import Source, TypedRows
from ml4t.backtest.data.sql_files import drop_of, quote, read, render, rows_of, table_of, view_of
from ml4t.backtest.errors import ConfigError, DataError

_NUMBERED = re.compile(r"(.+)_\d+")


class Attached(NamedTuple):
    """What stands as ``raw.<name>``.

    Attributes
    ----------
    columns : dict of str to str
        With their types.
    changes : tuple of Change
        What differs from the files that it was read from.
    """

    columns: dict[str, str]
    changes: tuple[Change, ...] = ()


def attach(source: Source, database: Database) -> Attached:
    """Create ``raw.<name>`` over a source.

    Raises
    ------
    ConfigError
        What is said of how its files are read is not for files of their kind.
    DataError
        No file matches, a file is not what its suffix says or cut short, files do not go together,
        the frame cannot be read, or two columns differ in case alone.
    """
    name = quote(source.name)
    given = source.given
    changes: tuple[Change, ...] = ()
    _require_files(source)
    try:
        if source.is_files:
            scan = scan_files(source, database)
            changes = scan.changes
            if scan.rows is not None:
                database.register(f"__{source.name}", scan.rows)
            rows = scan.query or rows_of(quote(f"__{source.name}"))
            database.execute(view_of(f"raw.{name}", rows))
        elif isinstance(given, str):
            try:
                database.reader().require_query(given)
            except ConfigError as error:
                raise DataError(source.name, "readable", f"must be a query: {error}") from error
            database.execute(table_of(f"raw.{name}", given))
        else:
            typed = given if isinstance(given, TypedRows) else TypedRows(given, {})
            database.register(f"__{source.name}", typed.rows)
            types = (f"{quote(one)}::{kind} as {quote(one)}" for one, kind in typed.types.items())
            rows = rows_of(quote(f"__{source.name}"), ", ".join(types) or "*")
            database.execute(view_of(f"raw.{name}", rows))
        found = database.schema(rows_of(f"raw.{name}"))
        _require_own_names(source, found, database)
        require_complete(source, found, database)
    except EngineError as error:
        first = str(error).splitlines()[0]
        if "No magic bytes" in first:  # DuckDB's word for what is no Parquet
            first = _no_parquet(source)
        raise DataError(source.name, "readable", f"could not be read: {first}") from error
    return Attached(found, changes)


def detach(source: Source, database: Database) -> None:
    """Take back what `attach` made of a source, as far as it came."""
    for (kind,) in database.rows(read("register/raw_kind"), {"name": source.name}):
        database.execute(drop_of(kind, f"raw.{quote(source.name)}"))
    database.unregister(f"__{source.name}")


def _require_files(source: Source) -> None:
    """Refuse what is said of files where there are none."""
    if not source.is_files and source.reading != PLAINLY:
        said = ", ".join(source.reading.facts())
        raise ConfigError(
            f"source {source.name!r} takes no {said}: it is no file, and says so itself; leave it "
            "out"
        )


def _no_parquet(source: Source) -> str:
    """Say what a file is that has no suffix of another kind and is no Parquet."""
    for file in source.files():
        first = beginning(file)
        if not first.startswith(b"PAR1"):
            others = ", ".join(suffix for kind in FILE_KINDS for suffix in kind.suffixes)
            return (
                f"{file} is no Parquet: it begins with {first!r}; give it the suffix of its kind, "
                f"one of {others}, or pass SQL text that reads it, such as "
                f"\"select * from read_csv('{file.name}')\""
            )
    return "a file is no Parquet"


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
    if source.is_files and source.kind() is not PARQUET:
        return []  # its form refuses them, by the names in the files themselves
    if source.is_files:
        query = render("register/own_names", files=f"[{', '.join(listed(source, database))}]")
        return sorted(row[0] for row in database.rows(query))
    if isinstance(source.given, (str, TypedRows)):
        return []
    given: Any = source.given
    is_arrow = type(given).__module__.startswith("pyarrow")
    return [str(name) for name in (given.schema.names if is_arrow else given.columns)]
