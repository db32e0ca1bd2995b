#!/usr/bin/env bash
# polars 2.1.0: dividing a column by a constant multiplies by its reciprocal, one time in seven off.
#
# Guess:    pl.Series([10623]) / 1000 is 10.623, the double that NumPy and Python find.
# Expected: correctly rounded quotients, as of two columns.
# Seen:     10.623000000000001; 139,554 of the quotients of 1 to 999,999 by 1000 differ by one ulp.
# Matters:  prices are kept as whole numbers of 1/1,000 (Zipline), 1/10,000 (LEAN) or 1e-9 (DBN): one
#           in seven would be off its tick, and equal to no price that is read as text.
# Product:  adapters divide by NumPy.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check polars==2.1.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import numpy as np
import polars as pl

whole = np.arange(1, 1_000_000)
right = whole / 1000
by_constant = (pl.Series(whole) / 1000).to_numpy()
by_column = (pl.Series(whole) / pl.Series(np.full(len(whole), 1000))).to_numpy()
print("10623 / 1000:", by_constant[10622], "by a column:", by_column[10622], "numpy:", right[10622])
n_off = int((by_constant != right).sum())
print("off by a constant:", n_off, "by a column:", int((by_column != right).sum()))
ulps = np.abs(by_constant - right) / np.spacing(right)
print("largest difference in ulp:", ulps.max())
if (n_off, (by_column == right).all(), ulps.max()) != (139_554, True, 1.0):
    raise SystemExit("changed: another quotient")
PYTHON
