#!/usr/bin/env bash
# duckdb 2.0.1: the last digits of a trailing sum depend on rows that come later.
#
# Guess:    `sum(x) over (partition by asset order by t)` at t is made of the rows up to t alone: cut
#           the table at any t, and what is left says the same, bit by bit, with one thread.
# Expected: no value up to the cut differs.
# Seen:     sum, avg and stddev differ in their last digits for a part of the rows, by up to 1e-14 of
#           the value; a frame of `rows 30 preceding` does so too. Of a table of one asset none does:
#           the order of addition depends on how many rows other partitions have.
# Matters:  a check for look-ahead that compares a run on all data with one on the data up to a day
#           reports every expanding mean; two that are equal but for the last digit also rank
#           differently where scores tie.
# Product:  `BacktestEngine.audit` takes numbers for equal that differ by less than 1e-9 of the larger,
#           or 1e-12 of the largest of the column.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
venv/bin/python - <<'PYTHON'
import random

import duckdb

draw = random.Random(7)
connection = duckdb.connect(config={"threads": 1})
connection.execute("create table prices (asset varchar, t integer, close double)")
closes = {f"S{i:04}": 50 * (i + 1.0) for i in range(8)}
for t in range(60):
    for asset in closes:
        closes[asset] *= 1 + draw.gauss(0, 0.02)
        connection.execute("insert into prices values (?, ?, ?)", [asset, t, closes[asset]])

(alone,) = connection.execute("""
    with
    own as (select * from prices where asset = 'S0000'),
    whole as (select t, sum(close) over (partition by asset order by t) as value from own),
    cut as (
        select t, sum(close) over (partition by asset order by t) as value
        from (select * from own where t <= 30)
    )
    select count(*) from cut inner join whole using (t) where whole.value <> cut.value
""").fetchall()[0]
print(f"of one asset alone: {alone} values differ")
differing = {}
for function in ("sum", "avg", "stddev"):
    for frame in ("", "rows 30 preceding"):
        window = f"{function}(close) over (partition by asset order by t {frame})"
        cells, largest = 0, 0.0
        for last in range(5, 55, 5):
            found = connection.execute(f"""
                with
                whole as (select asset, t, {window} as value from prices),
                cut as (
                    select asset, t, {window} as value
                    from (select * from prices where t <= {last})
                )
                select
                    count(*) filter (where whole.value is distinct from cut.value),
                    coalesce(max(abs(whole.value / cut.value - 1)), 0)
                from cut inner join whole using (asset, t)
            """).fetchall()[0]
            cells, largest = cells + found[0], max(largest, found[1])
        differing[function, frame] = cells
        print(f"{window}: {cells} values differ, by {largest:.1e} at the most")
if alone or not all(differing[function, ""] for function in ("sum", "avg", "stddev")):
    raise SystemExit("changed: a window says the same whatever comes after it")
PYTHON
