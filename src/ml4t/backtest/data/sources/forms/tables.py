"""Tables: which one of a file is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError, did_you_mean


def one_file(source: Source, files: Sequence[Path]) -> Path:
    """Return the file of a source that may have no other.

    Raises
    ------
    DataError
    """
    if len(files) != 1:
        raise DataError(
            source.name, "readable", f"has {len(files)} files of {source.kind().name}; register "
            "one, or put their tables together in one",
        )  # fmt: skip
    return files[0]


def table_among(source: Source, file: Path, names: Sequence[str]) -> str:
    """Return the table that the user means: the one named, or the only one.

    Raises
    ------
    DataError
        It is not there, or there are several and none is named.
    """
    table = source.reading.table
    shown = ", ".join(map(repr, names)) or "none"
    if table is None:
        if len(names) == 1:
            return names[0]
        way_out = f"; say which: table={names[0]!r}" if names else ""
        raise DataError(
            source.name, "readable", f"has {len(names)} tables in {file}: {shown}{way_out}"
        )
    by_lower = {name.lower(): name for name in names}
    if table.lower() not in by_lower:
        raise DataError(
            source.name, "readable", f"has no table {table!r} in {file}"
            f"{did_you_mean(table, names)}",
        )  # fmt: skip
    return by_lower[table.lower()]
