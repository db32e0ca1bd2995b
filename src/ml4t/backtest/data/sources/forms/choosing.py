"""Choosing: the form of a source's files, by their kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources import forms
from ml4t.backtest.data.sources.files import listed, scan_of
from ml4t.backtest.data.sources.forms.kinds import (
    ARROW,
    DELIMITED,
    DELTA,
    DUCKDB,
    EXCEL,
    ICEBERG,
    JSON_LINES,
    PARQUET,
    SQLITE,
    FileKind,
)
from ml4t.backtest.data.sources.forms.scan import Scan, require_names_differ
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import ConfigError, DataError

Form = Callable[[Source, Sequence[Path], Database], Scan]
_FORMS: dict[str, Callable[[], Form]] = {
    DELIMITED.name: lambda: forms.scan_text,
    JSON_LINES.name: lambda: forms.scan_json,
    ARROW.name: lambda: forms.scan_arrow,
    EXCEL.name: lambda: forms.scan_excel,
    DUCKDB.name: lambda: forms.scan_duckdb,
    SQLITE.name: lambda: forms.scan_sqlite,
    DELTA.name: lambda: forms.scan_delta,
    ICEBERG.name: lambda: forms.scan_iceberg,
}


def scan_files(source: Source, database: Database) -> Scan:
    """Return what DuckDB scans of the files of a source.

    Raises
    ------
    ConfigError
        `table`, `asset_id` or `null_values` is said of files that have nothing of the kind.
    DataError
        There are no files, of several kinds, or of a kind that cannot be read; or see the form.
    """
    kind = source.kind()
    _require_meant(source, kind)
    if kind is PARQUET:
        return scan_of(source, database)
    if source.urls:
        raise DataError(
            source.name, "readable", f"is at {source.urls[0]}, and {kind.name} is read from local "
            "files alone; download it first",
        )  # fmt: skip
    if kind not in (DELTA, ICEBERG):
        listed(
            source, database
        )  # refuses paths without files, and files inside of a table's folder
        require_names_differ(source, source.files())
        return _FORMS[kind.name]()(source, source.files(), database)
    folders = [Path(path) for path in source.paths()]
    if len(folders) > 1:
        raise DataError(
            source.name, "readable", f"has {len(folders)} folders and one is a {kind.name}; "
            "register one such table alone",
        )  # fmt: skip
    return _FORMS[kind.name]()(source, folders, database)


def _require_meant(source: Source, kind: FileKind) -> None:
    reading = source.reading
    if reading.table is not None and not kind.has_tables:
        raise ConfigError(
            f"source {source.name!r} takes no table={reading.table!r}: {kind.name} has no tables "
            "by name; leave it out"
        )
    if reading.null_values and not kind.has_texts:
        raise ConfigError(
            f"source {source.name!r} takes no null_values={list(reading.null_values)}: {kind.name} "
            "has missing values of its own; leave it out"
        )
    if reading.by_file and kind in (DELTA, ICEBERG, DUCKDB, SQLITE):
        raise ConfigError(
            f"source {source.name!r} takes no asset_id={reading.asset_by!r}: {kind.name} is not "
            "one file of each asset; leave it out"
        )
