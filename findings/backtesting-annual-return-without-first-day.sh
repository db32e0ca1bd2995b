#!/usr/bin/env bash
# backtesting.py 0.6.6: on intraday bars the annual return leaves out the first day.
#
# Guess:    "Return (Ann.) [%]" is the growth of the equity over the run, per year, on bars of any length.
# Expected: a run that gains 10 % on its first day and nothing later has a positive annual return.
# Seen:     Return 10 %, Return (Ann.) 0 %. Daily returns are taken from each day's last equity, so
#           the first day has none; Sharpe divides this number. On 84 days of a random
#           hourly path it was -33.6 % where the growth was -28.8 % (CAGR is right).
# Matters:  short intraday tests are ranked by ratios that miss a part of the profit.
# Product:  counts bars and sessions of the run for what is annual, and gives no annual return for
#           one of less than 90 days (tests/test_annualisation.py).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    backtesting==0.6.6 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

first = pd.date_range("2024-01-02 09:30", periods=7, freq="h")
times = first.append([first + pd.Timedelta(days=n) for n in (1, 2, 3)])
price = np.r_[100.0, 100, 100, 102, 104, 106, 110, np.full(21, 110.0)]
bars = pd.DataFrame(
    {"Open": price, "High": price, "Low": price, "Close": price, "Volume": 1}, index=times
)

class Once(Strategy):
    def init(self) -> None:
        pass

    def next(self) -> None:
        if len(self.data) == 2:
            self.buy(size=100)

result = Backtest(bars, Once, cash=10_000, finalize_trades=True).run()
total, annual = result["Return [%]"], result["Return (Ann.) [%]"]
print(f"Return {total:.6f} %, Return (Ann.) {annual:.6f} %, CAGR {result['CAGR [%]']:.0f} %")
if round(total, 6) != 10 or round(annual, 6) != 0:
    raise SystemExit("changed: other returns")
PYTHON
