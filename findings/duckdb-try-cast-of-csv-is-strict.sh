#!/usr/bin/env bash
# DuckDB 2.0.1: try_cast of a column of CSV fails where it should be NULL.
#
# Guess:    `select try_cast(a as bigint) from read_csv(...)`, a being VARCHAR as said, is NULL where
#           the text is no number: that is what try_cast is for.
# Expected: NULL for 2024-01-02, as from a table or a Parquet file with the same text.
# Seen:     the cast is handed to the CSV reader, which reads the column as BIGINT and raises, with
#           "This type was auto-detected" though auto_detect is false. Only where the query has the
#           column in no other form: with the bare column beside it the answer is NULL.
# Matters:  the query by which one looks for what is no number in a vendor's file fails at the first
#           of them, or works until a column is taken out of the select list.
# Product:  hands texts of files on as nullif(a, ''), which is not pushed down, and asks for the text
#           beside its own casts.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    duckdb==2.0.1
venv/bin/python - <<'PYTHON'
from pathlib import Path

import duckdb

Path("a.csv").write_text("a,b\n7,1\n2024-01-02,2\n")
CSV = (
    "read_csv('a.csv', auto_detect = false, header = true, "
    "columns = {'a': 'VARCHAR', 'b': 'VARCHAR'})"
)
duckdb.execute(f"copy (select a, b from {CSV}) to 'a.parquet'")
SEEN = {
    f"select try_cast(a as bigint) from {CSV}": "ConversionException",
    f"select try_cast(a as bigint), a from {CSV}": [(7, "7"), (None, "2024-01-02")],
    f"select try_cast(nullif(a, '') as bigint) from {CSV}": [(7,), (None,)],
    "select try_cast(a as bigint) from 'a.parquet'": [(7,), (None,)],
}
for query, expected in SEEN.items():
    try:
        seen = duckdb.sql(query).fetchall()
    except duckdb.Error as error:
        seen = type(error).__name__
    print(query.replace(CSV, "read_csv(...)"), "->", seen)
    if seen != expected:
        raise SystemExit(f"changed: expected {expected}")
PYTHON
