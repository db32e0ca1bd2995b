"""Sources: what an engine reads of a source, under our names and types.

What the catalog does to rows before they are a source, by more than a name and a cast, has no
counterpart elsewhere, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.portable.kinds import TO_DUCKDB, TO_SPARK, kind_of_type
from ml4t.backtest.data.sources.forms.kinds import PARQUET
from ml4t.backtest.data.sources.schema import canonical_columns
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import Sql, plain_parquet, quote, render, rows_of
from ml4t.backtest.errors import DataError

# Of more files a query would be a list; a table names them by one word.
MOST_FILES = 100
_PATTERN = re.compile(r"[*?\[\]{}`\\]")


def raw_name(name: str) -> str:
    """Return what stands in a query for the rows of a source, until `dialects` puts them in."""
    return f"__raw {name}"


def source_query(source: Source, names: Sequence[str], database: Database) -> Sql:
    """Return the query of columns of a source, by our names.

    Raises
    ------
    DataError
        The source is changed on its way in by more than names and casts.
    """
    _require_plain(source)
    raw = database.schema(rows_of(f"raw.{quote(source.name)}"))
    items = canonical_columns(source, raw, {})
    for given in raw_columns(source, raw, names):
        if kind_of_type(raw[given]) is None and raw[given].startswith("DECIMAL"):
            raise DataError(
                source.name, "portable", f"has column '{given}' of type {raw[given]}, whose "
                "nearest doubles are a matter of the engine; cast it to double",
            )  # fmt: skip
    return render(
        "portable/source",
        raw=quote(raw_name(source.name)),
        columns=", ".join(items[name].sql for name in names),
        filter="true",
    )


def raw_columns(source: Source, raw: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Return what the columns of a source are called in its rows."""
    ours = {given.lower(): own.lower() for own, given in source.columns.items()}
    if source.available_at is not None:
        ours[source.available_at.lower()] = "available_at"
    wanted = {name.lower() for name in names}
    return [given for given in raw if ours.get(given.lower(), given.lower()) in wanted]


def files_of_source(
    source: Source, names: Sequence[str], dialect: str, database: Database
) -> list[str]:
    """Return the files of a source that an engine opens by itself.

    Parameters
    ----------
    names : sequence of str
        Columns that are read, as they are called in its rows.

    Raises
    ------
    DataError
        They are none of Parquet, too many, or do not say alone what is in them.
    """
    if dialect not in (TO_DUCKDB, TO_SPARK):
        _refuse(source, f"is not there in {dialect}")
    if not source.is_files or source.kind() is not PARQUET:
        _refuse(source, "is no files of Parquet, which is all that other engines read themselves")
    if source.urls:
        _refuse(source, "is at a URL, which every engine opens in its own way")
    files = [str(path) for path in source.files()]
    if len(files) > MOST_FILES:
        _refuse(source, f"has {len(files):,} files, more than {MOST_FILES} to be written out")
    # Spark has no way to say that a name is no pattern.
    odd = next((file for file in files if _PATTERN.search(file)), None)
    if odd is not None:
        _refuse(source, f"has the file {odd!r}, whose name Spark takes for a pattern")
    raw = database.schema(rows_of(f"raw.{quote(source.name)}"))
    for file in files:
        own = database.schema(rows_of(plain_parquet(file)))
        other = next((name for name in names if own.get(name) != raw[name]), None)
        if other is not None:
            _refuse(
                source, f"has '{other}' in another way than its file {file}, by the name of a "
                "folder or for another file's sake",
            )  # fmt: skip
    return files


def _require_plain(source: Source) -> None:
    for is_changed, how in (
        (source.drop_bad_rows, "has bad rows that are dropped; write it without them"),
        (source.stamp_shift is not None, "has bars that are moved to their close; write them so"),
        (isinstance(source.adjusted, str), "has prices that are computed; write them so"),
        (source.date_format is not None, "has dates in text; write them as dates"),
        (
            not source.spec.is_clocked and bool(source.available_at or source.lag),
            "has rows that are known later than they count; write them as they were known",
        ),
    ):
        if is_changed:
            raise DataError(source.name, "portable", f"{how}, and register that")


def _refuse(source: Source, why: str) -> NoReturn:
    raise DataError(
        source.name, "portable",
        f"{why}; pass tables={{{source.name!r}: name}} with the table there that has its rows",
    )  # fmt: skip
