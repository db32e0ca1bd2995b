"""Attaching: whatever a source is, the rest of the package reads one relation, ``raw.<name>``.

Files are scanned as `files` says; a frame is registered under its own name; SQL text becomes a
table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.datasets import require_complete
from ml4t.backtest.data.sources.files import listed, scan_of
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import drop_of, quote, read, render, rows_of, table_of, view_of
from ml4t.backtest.errors import ConfigError, DataError

_NUMBERED = re.compile(r"(.+)_\d+")


def attach(source: Source, database: Database) -> dict[str, str]:
    """Create ``raw.<name>`` over a source and return its columns with their types.

    Raises
    ------
    DataError
        No file matches, a file is no Parquet or cut short, files do not go together, the frame
        cannot be read, or two columns differ in case alone.
    """
    name = quote(source.name)
    given = source.given
    try:
        if source.is_files:
            scan = scan_of(source, database)
            database.execute(view_of(f"raw.{name}", scan))
        elif isinstance(given, str):
            try:
                database.reader().require_query(given)
            except ConfigError as error:
                raise DataError(source.name, "readable", f"must be a query: {error}") from error
            database.execute(table_of(f"raw.{name}", given))
        else:
            database.register(f"__{source.name}", given)
            database.execute(view_of(f"raw.{name}", rows_of(quote(f"__{source.name}"))))
        found = database.schema(rows_of(f"raw.{name}"))
        _require_own_names(source, found, database)
        require_complete(source, found, database)
    except EngineError as error:
        first = str(error).splitlines()[0]
        if "No magic bytes" in first:  # DuckDB's word for what is no Parquet
            first += (
                "; a path is one of Parquet: pass SQL text for any other file, such as "
                "\"select * from read_csv('prices.csv')\""
            )
        raise DataError(source.name, "readable", f"could not be read: {first}") from error
    return found


def detach(source: Source, database: Database) -> None:
    """Take back what `attach` made of a source, as far as it came."""
    for (kind,) in database.rows(read("register/raw_kind"), {"name": source.name}):
        database.execute(drop_of(kind, f"raw.{quote(source.name)}"))
    database.unregister(f"__{source.name}")


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
        query = render("register/own_names", files=f"[{', '.join(listed(source))}]")
        return sorted(row[0] for row in database.rows(query))
    if isinstance(source.given, str):
        return []
    given: Any = source.given
    is_arrow = type(given).__module__.startswith("pyarrow")
    return [str(name) for name in (given.schema.names if is_arrow else given.columns)]
