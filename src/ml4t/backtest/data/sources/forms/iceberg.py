"""Iceberg: the current snapshot of a table, through pyiceberg, read whole.

Which metadata file is current is known by the catalog of the table. Without one it is the file that
`version-hint.text` names, else the one of the highest number; where two have it, it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sources.forms.scan import Scan
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError

_NUMBER = re.compile(r"v?(\d+)")


def scan_iceberg(source: Source, folders: Sequence[Path], database: Database) -> Scan:  # noqa: ARG001
    """Return the current rows of an Iceberg table.

    Raises
    ------
    ConfigError
        pyiceberg is not installed.
    DataError
        Which of its snapshots is current is not known, or a file of it cannot be read.
    """
    static = package("pyiceberg.table", extra="iceberg")
    file = _current(source, folders[0])
    try:
        rows = static.StaticTable.from_metadata(file.as_uri()).scan().to_arrow()
    except Exception as error:  # pyiceberg raises what its parts raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            source.name, "readable", f"could not be read: {file}: {first}; a table that was moved "
            "names the files of its old place: register what your catalog's table.scan().to_arrow()"
            " returns",
        ) from error  # fmt: skip
    return Scan(rows=rows)


def _current(source: Source, folder: Path) -> Path:
    found = sorted((folder / "metadata").glob("*.metadata.json"))
    hint = folder / "metadata" / "version-hint.text"
    if hint.is_file():
        named = hint.read_text(encoding="utf-8").strip()
        for file in found:
            if file.name in (named, f"v{named}.metadata.json", f"{named}.metadata.json"):
                return file
    numbers = {file: int(match[1]) if (match := _NUMBER.match(file.name)) else -1 for file in found}
    newest = [file for file in found if numbers[file] == max(numbers.values())]
    if len(newest) > 1:
        raise DataError(
            source.name, "readable", f"has {len(newest)} metadata files of number "
            f"{numbers[newest[0]]} in {folder}: {newest[0].name} and {newest[1].name}; register "
            "what your catalog's table.scan().to_arrow() returns",
        )  # fmt: skip
    return newest[0]
