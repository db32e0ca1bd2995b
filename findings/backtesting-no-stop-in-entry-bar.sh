#!/usr/bin/env bash
# backtesting.py 0.6.6: a stop is not looked at in the bar that a limit bought in.
#
# Guess:    stop and target in one bar are the stop; no exception was thought of.
# Expected: buy limit 97 with a stop at 95 in a bar from 100 down to 90: bought at 97, sold at 95. The
#           path leaves no doubt, since 97 comes before 95 on the way down.
# Seen:     a market entry at the open of that bar is stopped at 95; the limit entry is held to the
#           end, and a loss of 20 is a gain of 30. A warning calls the result dubious.
# Matters:  buying dips by limit with a tight stop is flattered on exactly the bars that would stop it.
# Product:  tests that an entry by a limit or stop inside a bar takes the worse of what may have
#           happened (tests/test_brackets.py), and says so in LIMITATIONS.md.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    backtesting==0.6.6 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import pandas as pd
from backtesting import Backtest, Strategy

bars = pd.DataFrame(
    [[100, 101, 99, 100]] * 3 + [[100, 110, 90, 100]] + [[100, 101, 99, 100]] * 3,
    columns=["Open", "High", "Low", "Close"], dtype=float,
    index=pd.bdate_range("2024-01-01", periods=7),
).assign(Volume=1000)

def trade(**order: float) -> tuple[float, float, float]:
    class Once(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            if len(self.data) == 3:
                self.buy(size=10, **order)

    trades = Backtest(bars, Once, cash=10_000, finalize_trades=True).run()["_trades"]
    return tuple(trades[["EntryPrice", "ExitPrice", "PnL"]].iloc[0].tolist())

market, limit = trade(sl=95), trade(limit=97, sl=95)
print("market order: entry, exit, profit:", market)
print("limit order:  entry, exit, profit:", limit)
if market != (100.0, 95.0, -50.0) or limit != (97.0, 100.0, 30.0):
    raise SystemExit("changed: other fills")
PYTHON
