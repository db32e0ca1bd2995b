#!/usr/bin/env bash
# DuckDB 2.0.1: union_by_name takes a type that does not hold the values of every file.
#
# Guess:    of DECIMALs of two widths read_parquet([...], union_by_name = true) makes one that keeps
#           all digits, of BIGINT and FLOAT a DOUBLE.
# Expected: 1.2345678901 and 16777217 come back, or the read is refused.
# Seen:     DECIMAL(38,2): 1.2345678901 is read as 1.23. FLOAT: 16777217 is read as 16777216. No
#           word of it. (DECIMAL(9,2) and DECIMAL(18,6) do give a type that holds both.)
# Matters:  a vendor's change of type between two days' files rounds prices or volumes of one of them.
# Product:  decides the common type itself (data/common_types.py): both of these become DOUBLE, and
#           files whose values have no common type are refused.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    duckdb==2.0.1
venv/bin/python - <<'PYTHON'
import duckdb

CASES = (
    ("1.25::decimal(38, 2)", "1.2345678901::decimal(38, 10)", "DECIMAL(38,2)", "1.23"),
    ("1.5::float", "16777217::bigint", "FLOAT", "16777216.0"),
    ("1.25::decimal(9, 2)", "1.234567::decimal(18, 6)", "DECIMAL(18,6)", "1.234567"),
)

for first, second, kind, value in CASES:
    duckdb.execute(f"copy (select 1 as k, {first} as x) to '1.parquet'")
    duckdb.execute(f"copy (select 2 as k, {second} as x) to '2.parquet'")
    seen = duckdb.sql("""
        select typeof(x), x::varchar
        from read_parquet(['1.parquet', '2.parquet'], union_by_name = true)
        where k = 2
    """).fetchall()[0]
    print(f"{first} with {second}: the second is read as", seen)
    if seen != (kind, value):
        raise SystemExit(f"changed: expected {(kind, value)}")
PYTHON
