"""Reads a saved run with whatever DuckDB its interpreter has, and knows nothing of this package.

`python file_reader.py FILE`: prints DuckDB's version and the rows of every table and view, as JSON.
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


if __name__ == "__main__":
    print(json.dumps({"version": duckdb.__version__, "rows": found_in(Path(sys.argv[1]))}))  # noqa: T201
