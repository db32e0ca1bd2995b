#!/usr/bin/env bash
# polars 2.1.0, pyarrow 26.0.1, pandas 3.1.1: a ticker in the name of a folder loses its zeros.
#
# Guess:    the key of `ticker=000001/` is the text 000001, or a text as soon as one key has a zero
#           before it, as DuckDB reads it.
# Expected: "000001" and "600519".
# Seen:     1 and 600519: polars, pyarrow and pandas make numbers of them. DuckDB 2.0.1 keeps the
#           texts, but of 600519 alone, in a folder of its own, makes a number too.
# Matters:  tickers of Shenzhen, Tokyo and Hong Kong join with no prices or with those of another
#           asset; the type changes with the assets of the day.
# Product:  keys of folders that are an asset's id stay text (tests/test_files.py).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    pandas==3.1.1 polars==2.1.0 duckdb==2.0.1 numpy==2.4.6 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

for ticker in ("000001", "600519"):
    path = Path("bars") / f"ticker={ticker}"
    path.mkdir(parents=True)
    pq.write_table(pa.table({"close": [10.0]}), path / "0.parquet")


def by_duckdb(pattern: str) -> list[object]:
    return [row[0] for row in duckdb.sql(f"select ticker from '{pattern}' order by 1").fetchall()]


read = {
    "polars": pl.scan_parquet("bars/**/*.parquet", hive_partitioning=True).collect()["ticker"].to_list(),
    "pyarrow": ds.dataset("bars", partitioning="hive").to_table()["ticker"].to_pylist(),
    "pandas": pd.read_parquet("bars")["ticker"].tolist(),
    "duckdb": by_duckdb("bars/**/*.parquet"),
    "duckdb, one folder": by_duckdb("bars/ticker=600519/*.parquet"),
}
for name, keys in read.items():
    print(name, keys)
numbers, texts = [1, 600519], ["000001", "600519"]
if [*read.values()] != [numbers, numbers, numbers, texts, [600519]]:
    raise SystemExit("changed: other keys")
PYTHON
