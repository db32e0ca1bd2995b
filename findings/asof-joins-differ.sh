#!/usr/bin/env bash
# pandas 3.1.1, polars 2.1.0, duckdb 2.0.1: one as-of join, three answers.
#
# Guess:    merge_asof, join_asof and ASOF JOIN agree: a row without a key has no match, as in SQL; of
#           two rows of one time the later written one counts; a tolerance below 0 is an error.
# Expected: None for the key None, the second of two rows of 09:55, an error for a tolerance of -5
#           minutes.
# Seen:     pandas matches None with None. DuckDB takes the first of two rows of one time, pandas and
#           polars the last. polars takes a tolerance of -5 minutes for 5, pandas refuses it.
# Matters:  a feature whose ticker was not found reaches every price whose ticker was not found; a
#           restated figure replaces the first one or not, by the tool; a sign that was meant as
#           "not the last five minutes" is "the last five minutes".
# Product:  rows without an asset are refused, or are market-wide where the role says so; two rows of
#           one key are refused, and so is a `max_age` below 0.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    pandas==3.1.1 polars==2.1.0 duckdb==2.0.1 numpy==2.4.6 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from datetime import datetime

import duckdb
import pandas as pd
import polars as pl

ten, before = datetime(2024, 1, 2, 10), datetime(2024, 1, 2, 9, 55)


def three(left: dict[str, list[object]], right: dict[str, list[object]]) -> tuple[object, ...]:
    """Return what each of the three finds for the one row of `left`, as of its time."""
    by = [name for name in left if name != "t"]
    by_pandas = pd.merge_asof(pd.DataFrame(left), pd.DataFrame(right), on="t", by=by or None)
    texts = dict.fromkeys(by, pl.String)
    asked = pl.DataFrame(left, schema_overrides=texts)
    given = pl.DataFrame(right, schema_overrides=texts)
    by_polars = asked.join_asof(given, on="t", by=by or None)
    keys = "".join(f" and asked.{name} = given.{name}" for name in by)
    query = f"select v from asked asof left join given on asked.t >= given.t{keys}"
    found = by_pandas["v"][0]
    return (
        None if pd.isna(found) else float(found),
        by_polars["v"][0],
        duckdb.sql(query).fetchall()[0][0],
    )


no_key = three({"t": [ten], "k": [None]}, {"t": [before], "k": [None], "v": [1.0]})
print("key None: pandas, polars, duckdb:", no_key)
twice = three({"t": [ten]}, {"t": [before, before], "v": [1.0, 2.0]})
print("two rows of one time: pandas, polars, duckdb:", twice)

left, right = {"t": [ten]}, {"t": [before], "v": [1.0]}
negative = pl.DataFrame(left).join_asof(pl.DataFrame(right), on="t", tolerance="-5m")["v"][0]
print("tolerance of -5 minutes: polars:", negative)
try:
    pd.merge_asof(
        pd.DataFrame(left), pd.DataFrame(right), on="t", tolerance=pd.Timedelta("-5min")
    )
    refused = False
except pd.errors.MergeError as error:
    refused = True
    print("tolerance of -5 minutes: pandas:", error)
if no_key != (1.0, None, None) or twice != (2.0, 2.0, 1.0) or negative != 1.0 or not refused:
    raise SystemExit("changed: another answer")
PYTHON
