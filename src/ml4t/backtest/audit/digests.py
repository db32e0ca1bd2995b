"""Digests: what tables hold, as hashes that no other rows have and that ask for no order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import quote, read, render
from ml4t.backtest.results.run_facts import as_json

_FLOATS = ("DOUBLE", "FLOAT")
_MAP_OF_FLOATS = "MAP(VARCHAR, DOUBLE)"


def table_digests(
    database: Database, name: str, *, without: Collection[str] = ()
) -> dict[str, str]:
    """Return the hash of each table of a database that is attached as `name`.

    Parameters
    ----------
    without : collection of str
        Columns that are left out, of whatever table.

    Returns
    -------
    dict
        ``schema.table`` to the SHA-256 of its columns, types and rows.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in database.rows(
        read("certificate/columns"), {"database": name}
    ):
        columns = found.setdefault((schema, table), {})
        if column not in without:
            columns[column] = kind
    return {
        f"{schema}.{table}": rows_digest(
            database, f"{quote(name)}.{quote(schema)}.{quote(table)}", columns
        )[1]
        for (schema, table), columns in found.items()
    }


def rows_digest(database: Database, place: str, columns: Mapping[str, str]) -> tuple[int, str]:
    """Return how many rows a relation has, and the SHA-256 of its columns, types and rows."""
    cells = ", ".join(_cell(quote(column), kind) for column, kind in columns.items())
    query = render("certificate/digest", source=place, cells=cells or "''")
    ((n_rows, digest),) = database.rows(query)
    listed = [list(item) for item in columns.items()]
    return n_rows, sha256(as_json([listed, n_rows, digest]).encode()).hexdigest()


def _cell(column: str, kind: str) -> str:
    """Return a cell as text that ends where its length says; of a float all bits."""
    if kind in _FLOATS:
        text = f"{column}::bit::varchar"
    elif kind == _MAP_OF_FLOATS:
        text = (
            f"array_to_string(list_transform(map_entries({column}), lambda one: "
            "concat(strlen(one.key), ':', one.key, coalesce(one.value::bit::varchar, '-'))), '')"
        )
    else:
        text = f"{column}::varchar"
    # Not by concat(), to which a cell that is NULL is an empty one.
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"
