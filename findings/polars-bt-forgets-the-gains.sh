#!/usr/bin/env bash
# polars_bt 0.2.2: a rebalance that keeps no asset is sized by the initial capital.
#
# Guess:    none was written down before: it was met when W1 of the benchmarks had another equity. What
#           anybody would expect: mosaic and tempo, the daily and the timestamp engine
#           of the same package, give the same value for the same weights and returns, and weights are
#           shares of the value of their time. Weights that sum to 1 without fees leave no cash.
# Expected: half of the value in an asset that rises by 10% a day, moved every day to the other one
#           that rises as much: a value of 1.05 to the fifth power, 1.2763, from both. Two assets of
#           weight 0.5 are both bought.
# Seen:     tempo says 1.2763, mosaic 1.25: whenever nothing that is held is kept, mosaic sizes by the
#           capital of the beginning; with one asset that stays, it sizes by the value. Neither buys
#           what would use up the cash: of two halves one is bought, a single asset of weight 1 never
#           is, and no error or warning says so.
# Matters:  a strategy that turns its book over compounds on some days and not on others: of W1 of the
#           benchmarks without costs (25 of 500 assets, ten years, weights of 0.99) 11.8 is left of
#           26.4. A portfolio that is to be fully invested lacks its last asset.
# Product:  sizes every rebalance by the equity at its fills; what cannot be paid in full is reduced or
#           refused, as the account says, and is in the table of orders with its reason.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check polars_bt==0.2.2 polars==1.44.2
venv/bin/python - <<'PYTHON'
from datetime import datetime, timedelta

import polars as pl
from polars_bt import mosaic, tempo

FREE = {"st_fee": 0.0, "lg_fee": 0.0}


def panel(weights: list[list[float]], rise: float) -> pl.DataFrame:
    """Every asset rises by `rise` a day; every day is a rebalance."""
    rows = [
        (datetime(2024, 1, 2) + timedelta(days=day), f"A{asset}", weight, rise if day else 0.0)
        for day, row in enumerate(weights)
        for asset, weight in enumerate(row)
    ]
    frame = pl.DataFrame(rows, schema=["t", "asset", "weight", "rise"], orient="row")
    return frame.with_columns(yes=pl.lit(True), none=pl.lit(0.0), price=pl.lit(10.0))


def last(weights: list[list[float]], rise: float) -> list[tuple[float, int]]:
    """Return the last value and number of holdings of mosaic and of tempo."""
    frame, n_assets = panel(weights, rise), len(weights[0])
    daily = mosaic("t", "weight", "rise", "none", "yes", "yes", "price", "price", "yes",
                   asset_num=n_assets, **FREE)
    timed = tempo("t", "asset", "weight", "rise", "yes", "yes", "yes", t1=False, **FREE)
    found = []
    for engine in (daily, timed):
        path = frame.select(engine.alias("path")).unnest("path")
        found.append((round(path["nav"][-1], 4), path["holding_count"][-1]))
    return found


moved = last([[0.5, 0.0], [0.0, 0.5]] * 3, 0.1)
print("half of the value, moved every day: mosaic, tempo:", moved)
kept = last([[0.5, 0.0]] * 6, 0.1)
print("half of the value, kept: mosaic, tempo:", kept)
halves = last([[0.5, 0.5]] * 2, 0.0)
print("two halves: mosaic, tempo:", halves)
whole = last([[1.0]] * 2, 0.0)
print("one whole: mosaic, tempo:", whole)
if (
    moved != [(1.25, 1), (1.2763, 1)]
    or kept != [(1.2763, 1)] * 2
    or halves != [(1.0, 1)] * 2
    or whole != [(1.0, 0)] * 2
):
    raise SystemExit("changed: another answer")
PYTHON
