#!/usr/bin/env bash
# pandas 3.1.1 and polars 2.1.0: of two rows at the same distance, nearest takes different ones.
#
# Guess:    merge_asof(direction="nearest") and join_asof(strategy="nearest") both take the earlier row.
# Expected: one answer for 10:00 between rows at 09:55 and 10:05.
# Seen:     pandas takes 09:55, polars 10:05, with a tolerance of exactly five minutes too.
# Matters:  on bars of equal length ties are the rule; porting a join from pandas to polars replaces
#           each of them by a row of the future.
# Product:  has no nearest join: a feature is visible from its available_at, the latest one counts.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    pandas==3.1.1 polars==2.1.0 numpy==2.4.6 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from datetime import datetime, timedelta

import pandas as pd
import polars as pl

left = {"t": [datetime(2024, 1, 2, 10)]}
right = {"t": [datetime(2024, 1, 2, 9, 55), datetime(2024, 1, 2, 10, 5)], "row": ["earlier", "later"]}

for tolerance in (None, timedelta(minutes=5)):
    by_pandas = pd.merge_asof(
        pd.DataFrame(left), pd.DataFrame(right), on="t", direction="nearest",
        tolerance=None if tolerance is None else pd.Timedelta(tolerance),
    )["row"][0]
    by_polars = pl.DataFrame(left).join_asof(
        pl.DataFrame(right), on="t", strategy="nearest", tolerance=tolerance
    )["row"][0]
    print("tolerance", tolerance, "pandas:", by_pandas, "polars:", by_polars)
    if (by_pandas, by_polars) != ("earlier", "later"):
        raise SystemExit("changed: another row")
PYTHON
