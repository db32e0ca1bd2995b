"""DuckDB files: one table or view, copied and let go of.

The file is opened by a database of its own that can read nothing else: a view in it may name any
file of the machine. It is opened to be read alone and closed again, for a file of DuckDB that is
open in one process cannot be written by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.forms.scan import Scan
from ml4t.backtest.data.sources.forms.tables import one_file, table_among
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.data.sql_files import quote, read, rows_of
from ml4t.backtest.errors import DataError

_OTHER = "other"


def scan_duckdb(source: Source, files: Sequence[Path], database: Database) -> Scan:
    """Return the rows of a table of DuckDB; the file is closed again.

    Raises
    ------
    DataError
        It is no file of DuckDB, or of a newer one, or open elsewhere; `table` is not in it, or
        not said.
    """
    file = one_file(source, files)
    try:
        with Database(timezone=database.timezone).reading(file, _OTHER) as other:
            names = [row[0] for row in other.rows(read("register/duckdb_tables"))]
            table = table_among(source, file, sorted(set(names)))
            schema = next(row[1] for row in other.rows(read("register/duckdb_tables"))
                          if row[0] == table)  # fmt: skip
            rows = other.arrow(rows_of(f"{_OTHER}.{quote(schema)}.{quote(table)}"))
    except EngineError as error:
        first = str(error).splitlines()[0]
        way_out = "check that it is a file of DuckDB, and of no newer one"
        if "lock" in first.lower() or "different configuration" in first or "already" in first:
            way_out = "it is open for writing elsewhere: close it there, such as by con.close()"
        raise DataError(
            source.name, "readable", f"could not be read: {file}: {first}; {way_out}"
        ) from error
    return Scan(rows=rows)
