#!/usr/bin/env bash
# backtesting.py 0.6.6: after a partial close the trades do not add up to the equity.
#
# Guess:    a fixed commission is charged each time, in the trades as in the equity.
# Expected: the profits of all trades are what the equity gained, as without a partial close.
# Seen:     two purchases of 10, one sale of 15, the rest at the end: the table of trades and
#           "Commissions [$]" count one fixed commission of 5 more than the equity has paid.
# Matters:  win rate, profit factor and expectancy are taken from the trades, the return from the
#           equity: with costs per order the two tell different stories.
# Product:  after every run of any test the profits of trades and lots, and the cash flows, are the
#           final equity.
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

price = np.arange(100.0, 110.0)
bars = pd.DataFrame(
    {"Open": price, "High": price + 1, "Low": price - 1, "Close": price, "Volume": 1000},
    index=pd.bdate_range("2024-01-01", periods=10),
)

def difference(sold: int) -> float:
    class Partly(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            if len(self.data) in (2, 3):
                self.buy(size=10)
            if len(self.data) == 5:
                self.sell(size=sold)

    result = Backtest(
        bars, Partly, cash=10_000, commission=(5, 0.0), finalize_trades=True
    ).run()
    earned = result["Equity Final [$]"] - 10_000
    print(f"sold {sold}: equity gained {earned:.2f}, trades {result['_trades'].PnL.sum():.2f},",
          f"commissions {result['Commissions [$]']:.2f}")
    return round(float(earned - result["_trades"].PnL.sum()), 6)

whole, part = difference(20), difference(15)
if (whole, part) != (0.0, 5.0):
    raise SystemExit(f"changed: differences are {whole} and {part}")
PYTHON
