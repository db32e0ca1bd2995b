#!/usr/bin/env bash
# polars_backtest 0.1.7: what a holding loses or gains while it has no price is never booked.
#
# Guess:    a holding without a row (a halt, a day its exchange was closed) keeps its last value, and
#           the first price after it books the whole move, as with shares held.
# Expected: half in A, half in B which stays at 10. A goes 100, 100, 100, no row for two days, then 50:
#           0.75 is left. With 110 after the gap instead: 1.05.
# Seen:     1.0 in both cases, with every setting of `resample`, in the long form and in the wide one:
#           the return over the gap is lost, without a warning, and the next price is the new basis.
#           The trade has no drawdown either. The long form books the move where the two days have
#           rows with a NULL price: a frame with and one without such rows are two backtests.
# Matters:  stocks halt on news: what a halt hides is the loss. A strategy that buys what is about to be
#           suspended looks free of risk, and an index of two exchanges loses the return after each
#           holiday of one of them.
# Product:  a holding without a bar is marked at its last close, and the next bar books the move;
#           `positions` calls it stale.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    polars_backtest==0.1.7 polars==2.1.0 pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
from datetime import date

import polars as pl
import polars_backtest

DAYS = [date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11, 12, 13)]
FREE = {"fee_ratio": 0.0, "tax_ratio": 0.0}


def left(after: float, missing: float | None, null_rows: bool = False) -> tuple[float, ...]:
    """Return the last value of the long form, of the wide form, and the worst of A's trade."""
    prices = {"A": [100.0, 100.0, 100.0, missing, missing, after, after, after], "B": [10.0] * 8}
    long = pl.DataFrame(
        [
            (day, name, price)
            for name, line in prices.items()
            for day, price in zip(DAYS, line)
            if price or null_rows
        ],
        schema=["date", "symbol", "close"],
        orient="row",
    ).sort("date", "symbol")
    report = long.with_columns(weight=pl.lit(0.5)).bt.backtest_with_report(
        trade_at_price="close", position="weight", resample=None, **FREE
    )
    wide = pl.DataFrame({"date": DAYS} | prices)
    weights = pl.DataFrame({"date": DAYS, "A": [0.5] * 8, "B": [0.5] * 8})
    walked = polars_backtest.backtest_wide(wide, weights, **FREE)
    worst = report.trades.filter(pl.col("stock_id") == "A")["mdd"][0]
    return round(report.creturn["creturn"][-1], 4), round(walked["creturn"][-1], 4), round(worst, 4)


halved, risen = left(50.0, None), left(110.0, None)
print("two days without a price, then 50: long, wide, worst of the trade:", halved)
print("two days without a price, then 110:", risen)
null_rows = left(50.0, None, null_rows=True)
print("rows with a NULL price on the two days, then 50:", null_rows)
priced = left(50.0, 100.0)
print("a price on every day:", priced)
if (
    [halved, risen] != [(1.0, 1.0, 0.0)] * 2
    or null_rows != (0.75, 1.0, -0.5)
    or priced != (0.75, 0.75, -0.5)
):
    raise SystemExit("changed: another answer")
PYTHON
