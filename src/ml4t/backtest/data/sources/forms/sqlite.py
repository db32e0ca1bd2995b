"""SQLite: one table of a file, read by Python's own sqlite3.

DuckDB's reader of SQLite is an extension that has to be downloaded. A column of SQLite has no type
but that of each value: a column of which the values differ is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote as quote_url

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.forms.cells import table_of_cells
from ml4t.backtest.data.sources.forms.scan import Scan
from ml4t.backtest.data.sources.forms.tables import one_file, table_among
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, read, rows_of
from ml4t.backtest.errors import DataError

_WAL = "-wal"


def scan_sqlite(source: Source, files: Sequence[Path], database: Database) -> Scan:  # noqa: ARG001
    """Return the rows of a table of SQLite; the file is closed again.

    Raises
    ------
    DataError
        It is no file of SQLite, or locked; `table` is not in it, or not said; or a column has
        values of several kinds.
    """
    file = one_file(source, files)
    # Nobody else writes into a file that has no log beside it, and then it needs no lock either;
    # where there is one, its rows are part of the table.
    has_log = file.with_name(file.name + _WAL).exists()
    mode = "mode=ro" if has_log else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote_url(str(file))}?{mode}", uri=True)) as opened:
            names = [row[0] for row in opened.execute(read("register/sqlite_tables"))]
            table = table_among(source, file, names)
            found = opened.execute(rows_of(quote(table)))
            columns = [one[0] for one in found.description]
            cells = list(zip(*found, strict=True)) or [()] * len(columns)
    except sqlite3.Error as error:
        raise DataError(
            source.name, "readable", f"could not be read: {file}: {error}; close what writes into "
            "it, or check that it is a file of SQLite",
        ) from error  # fmt: skip
    rows, changes = table_of_cells(
        source, dict(zip(columns, cells, strict=True)), f"{file}, table '{table}'"
    )
    return Scan(rows=rows, changes=changes)
