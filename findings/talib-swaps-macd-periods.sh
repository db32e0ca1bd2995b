#!/usr/bin/env bash
# TA-Lib 0.8.2: MACD with fast above slow is MACD with the two exchanged.
#
# Guess:    MACD(fastperiod=6, slowperiod=3) is EMA(6) - EMA(3): MACD(3, 6) with the other sign.
# Expected: negative values where the price rises, or an error.
# Seen:     the values of MACD(3, 6), sign included; so do APO and MACDEXT.
# Matters:  a grid over both periods tests each pair twice and shows a symmetry that is none of
#           the market's; code that relied on the formula trades the other side.
# Product:  its indicator macd wants fast below slow and refuses the rest.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    TA-Lib==0.8.2 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import numpy as np
import talib

close = np.cumsum(np.r_[100.0, np.linspace(0.1, 1.5, 40)])
for name, function in (
    ("MACD", lambda fast, slow: talib.MACD(close, fast, slow, 2)[0]),
    ("APO", lambda fast, slow: talib.APO(close, fast, slow)),
    ("MACDEXT", lambda fast, slow: talib.MACDEXT(close, fast, 0, slow, 0, 2, 0)[0]),
):
    given, swapped = function(3, 6), function(6, 3)
    print(name, "of (3, 6):", round(given[-1], 6), "of (6, 3):", round(swapped[-1], 6))
    if not (given[-1] > 0 and np.array_equal(given, swapped, equal_nan=True)):
        raise SystemExit("changed: the order of the periods counts")
PYTHON
