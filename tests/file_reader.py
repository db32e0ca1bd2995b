"""Reads a saved run with whatever DuckDB its interpreter has, and knows nothing of this package.

`python file_reader.py FILE FOLDER`: prints DuckDB's version, the rows of every table and view, and
how many rows each query of a folder gives, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb

LISTED = """
    select schema_name, table_name from duckdb_tables() where database_name = current_database()
    union all
    select schema_name, view_name from duckdb_views()
    where database_name = current_database() and not internal
"""


def found_in(path: Path) -> dict[str, list[list[Any]]]:
    """Every row of every table and view; what is no number as text."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [f"{schema}.{name}" for schema, name in connection.execute(LISTED).fetchall()]
        rows = {name: connection.execute(f"select * from {name}").fetchall() for name in names}
    return {
        name: [[one if isinstance(one, float | int) else str(one) for one in row] for row in found]
        for name, found in sorted(rows.items())
    }


def counted(path: Path, folder: Path) -> dict[str, int]:
    """How many rows each query of a folder gives."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            query.stem: len(connection.execute(query.read_text(encoding="utf-8")).fetchall())
            for query in folder.glob("*.sql")
        }


if __name__ == "__main__":
    run, queries = Path(sys.argv[1]), Path(sys.argv[2])
    said = {
        "version": duckdb.__version__,
        "rows": found_in(run),
        "queries": counted(run, queries),
    }
    print(json.dumps(said))  # noqa: T201
