#!/usr/bin/env bash
# sqlglot 30.30.0: what the other dialect does not have is written out as it is, or loses its files.
#
# Guess:    transpile(..., read="duckdb", write="spark", unsupported_level=RAISE) raises where Spark
#           has no such function or join.
# Expected: an error, or a text that Spark runs.
# Seen:     ISFINITE and EPOCH_US, which Spark does not have, and ASOF LEFT JOIN ... ON, which its
#           parser refuses, come out unchanged; read_parquet of two files is parquet.``, a table
#           without a name; SELECT *, n ... QUALIFY becomes a subquery whose star has n already,
#           so that n is there twice.
# Matters:  that a text was transpiled says nothing of whether it runs, or of what it reads.
# Product:  rewrites these nodes before sqlglot writes them, names every function that may stand in
#           its texts in a test, and compares rows on Spark (make spark).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sqlglot==30.30.0
venv/bin/python - <<'PYTHON'
import sqlglot


def spark(text: str) -> str:
    (found,) = sqlglot.transpile(
        text, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
    )
    print(found)
    return found


seen = [
    "ISFINITE(" in spark("select isfinite(x) from t"),
    "EPOCH_US(" in spark("select epoch_us(x) from t"),
    "ASOF LEFT JOIN r ON" in spark("select * from l asof left join r on l.a = r.a and l.t >= r.t"),
    "FROM parquet.``" in spark("select * from read_parquet(['a.parquet', 'b.parquet'])"),
    spark("select *, row_number() over (order by x) as n from t qualify n <= 2").startswith(
        "SELECT *, n FROM (SELECT *, ROW_NUMBER()"
    ),
]
if not all(seen):
    raise SystemExit(f"changed: {seen}")
PYTHON
