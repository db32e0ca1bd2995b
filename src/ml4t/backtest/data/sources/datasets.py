"""Datasets: Arrow reads all files of a dataset in one schema, by default that of the first file.

A time of a later file is cast to its date then, a column of later files is not there. What `files`
does for paths, a dataset cannot be made to do: where it would lose something, it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.common_types import common_type
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, rows_of
from ml4t.backtest.errors import DataError

_PROBE = "__fragment"


def require_complete(source: Source, found: Mapping[str, str], database: Database) -> None:
    """Refuse an Arrow dataset whose schema loses something of its files.

    Parameters
    ----------
    found : mapping
        Columns of the dataset, with types.

    Raises
    ------
    DataError
        A file cannot be read, has a column in a type that the dataset's does not hold, or a column
        that the schema of the first file does not have.
    """
    given: Any = source.given
    if not hasattr(given, "get_fragments"):
        return
    schemas: dict[Any, str] = {}
    try:
        for fragment in given.get_fragments():
            schema = fragment.physical_schema.remove_metadata()
            schemas.setdefault(schema, getattr(fragment, "path", "memory"))
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise DataError(source.name, "readable", f"could not be read: {first}") from error
    if len(schemas) == 1:
        return
    known = {name.lower(): kind for name, kind in found.items()}
    kinds_of = [(path, _kinds(schema, database)) for schema, path in schemas.items()]
    # A schema of the user's own may leave columns out on purpose.
    is_of_first = bool(kinds_of) and kinds_of[0][1].items() <= known.items()
    for path, kinds in kinds_of:
        for name, kind in kinds.items():
            ours = known.get(name)
            if ours is None and is_of_first:
                _refuse(source, "columns", f"'{name}' in {path}, and the first file has not")
            if ours is not None and common_type([ours, kind]) != ours:
                _refuse(source, "types", f"'{name}' of type {kind} in {path}, read as {ours}")


def _kinds(schema: Any, database: Database) -> dict[str, str]:
    """Return the columns of an Arrow schema (lower case), with DuckDB's types."""
    database.register(_PROBE, schema.empty_table())
    found = database.schema(rows_of(quote(_PROBE)))
    database.unregister(_PROBE)
    return {name.lower(): kind for name, kind in found.items()}


def _refuse(source: Source, rule: str, what: str) -> None:
    raise DataError(
        source.name, rule, f"is a dataset with column {what}; register the paths themselves, or "
        "give the dataset a schema that holds all of its files",
    )  # fmt: skip
