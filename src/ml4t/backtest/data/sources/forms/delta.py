"""Delta: the newest version of a table, through deltalake, as a dataset that DuckDB scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.packages import package
from ml4t.backtest.data.sources.forms.scan import Scan
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.errors import DataError


def scan_delta(source: Source, folders: Sequence[Path], database: Database) -> Scan:  # noqa: ARG001
    """Return the current rows of a Delta table.

    Raises
    ------
    ConfigError
        deltalake is not installed.
    DataError
        The log cannot be read, or says of deleted rows what a dataset cannot leave out.
    """
    deltalake = package("deltalake", extra="delta")
    folder = folders[0]
    try:
        table = deltalake.DeltaTable(str(folder))
        rows = table.to_pyarrow_dataset()
    except (deltalake.exceptions.DeltaError, OSError, ValueError) as error:
        raise DataError(
            source.name, "readable", f"could not be read: {folder}: {str(error).splitlines()[0]}; "
            "register its rows as another engine writes them to Parquet",
        ) from error  # fmt: skip
    return Scan(rows=rows)
