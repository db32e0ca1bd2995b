#!/usr/bin/env bash
# statsmodels 0.15.0: one missing price makes two random walks cointegrated with p = 0.
#
# Guess:    coint(y0, y1) raises on NaN, as adfuller and a missing value in y1 do.
# Expected: MissingDataError.
# Seen:     a NaN in y0 gives the statistic -inf and the p-value 0, with a warning about
#           collinearity; the same walks without it give p = 0.94.
# Matters:  a search for pairs sorts by this p-value: every asset with a gap in its history comes first.
# Product:  calls no such test; NULL and NaN scores are never ranked.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    statsmodels==0.15.0 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import MissingDataError
from statsmodels.tsa.stattools import coint

random = np.random.default_rng(0)
first, second = random.normal(size=300).cumsum(), random.normal(size=300).cumsum()
gap = first.copy()
gap[5] = np.nan

whole = coint(first, second)[:2]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    statistic, p_value = coint(gap, second)[:2]
said = [w.category.__name__ for w in caught]
try:
    coint(second, gap)
    other = "no error"
except MissingDataError:
    other = "MissingDataError"
print("without a gap: p =", round(whole[1], 4))
print("NaN in y0: statistic", statistic, "p =", p_value, "warnings:", said)
print("NaN in y1:", other)
if (statistic, p_value, other) != (-np.inf, 0.0, "MissingDataError") or whole[1] < 0.5:
    raise SystemExit("changed: another answer to a missing value")
PYTHON
