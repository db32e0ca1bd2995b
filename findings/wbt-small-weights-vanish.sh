#!/usr/bin/env bash
# wbt 0.9.2: weights are rounded to two digits by default, so that 300 equal ones are a book of nothing.
#
# Guess:    `digits` formats what is printed, or rounds what is reported; returns are those of the
#           weights given.
# Expected: 300 assets that rise by 1% a day, 1/300 in each: 1% a day. 30 assets, 1/30 in each: 1%.
# Seen:     0 a day for the 300, with no trade and no warning; 0.9% for the 30, whose weights become
#           0.03. Weights of 0.005 become 0.01, twice what was asked for. With `digits=4` 300 assets
#           still lose a hundredth.
# Matters:  a cross-section of many assets, which `weight_type="cs"` is for, is scored as another book,
#           in its returns, turnover and ratios; a long and a short side of odd numbers are no longer
#           neutral.
# Product:  weights are doubles and stay what they are; what lots or money round is in `orders`.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    wbt==0.9.2 polars==2.1.0 pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1
venv/bin/python - 2>/dev/null <<'PYTHON'
from datetime import datetime, timedelta

import polars as pl
from wbt import WeightBacktest


def daily(n_assets: int, weight: float, **options: int) -> float:
    """Return the second day's return of a book whose assets all rise by 1% a day."""
    rows = [
        (datetime(2024, 3, 4) + timedelta(days=day), f"S{asset}", weight, 100.0 * 1.01**day)
        for asset in range(n_assets)
        for day in range(5)
    ]
    frame = pl.DataFrame(rows, schema=["dt", "symbol", "weight", "price"], orient="row")
    frame = frame.with_columns(pl.col("dt").cast(pl.Datetime("ms")))
    result = WeightBacktest(frame, fee_rate=0.0, weight_type="cs", **options)
    return round(float(result.daily_return["total"].to_list()[1]), 6)


seen = {
    "300 of 1/300": daily(300, 1 / 300),
    "30 of 1/30": daily(30, 1 / 30),
    "200 of 1/200": daily(200, 1 / 200),
    "300 of 1/300, digits=4": daily(300, 1 / 300, digits=4),
}
for book, value in seen.items():
    print(f"{book}: {value:.4%} a day, of 1% expected")
if list(seen.values()) != [0.0, 0.009, 0.02, 0.0099]:
    raise SystemExit("changed: another answer")
PYTHON
