#!/usr/bin/env bash
# pyfolio-reloaded 0.10.1: round trips leave out what a trade has beside whole shares, and refuse
# transactions that pyfolio itself has made.
#
# Guess:    a purchase and the sale of the same shares are one trip with the profit of the two.
# Expected: 1.5 shares from 100 to 110 are 15; the frame of `make_transaction_frame`, which is what
#           comes of a run of zipline, gives the same as one with the same columns and no `dt`.
# Seen:     1.5 shares are 10, 10.9 shares are 100, without a word; 0.5 shares are a KeyError; the
#           frame of its own is refused: "cannot insert dt, already exists".
# Matters:  profit factor and average profit of fractional shares, contracts of coins above all, are
#           those of another strategy; who hands on frames with `dt` gets no round trips.
# Product:  `transactions()` has the time as `timestamp`, and its docs say what round trips count;
#           the table `trades` has every fraction.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    pyfolio-reloaded==0.10.1 pandas==3.1.1 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import pandas as pd
import pyfolio

days = pd.to_datetime(["2024-01-02", "2024-01-05"]).tz_localize("UTC")


def profit(shares: float) -> object:
    amounts = {"amount": [shares, -shares], "price": [100.0, 110.0], "symbol": "A"}
    try:
        trips = pyfolio.round_trips.extract_round_trips(pd.DataFrame(amounts, index=days))
    except KeyError as error:
        return f"KeyError {error}"
    return float(trips["pnl"].sum())


seen = {shares: profit(shares) for shares in (2.0, 1.5, 10.9, 0.5)}
for shares, found in seen.items():
    print(f"{shares} shares from 100 to 110: {found}; by hand {shares * 10}")

rows = [("A", 100.0, 10), ("A", 110.0, -10)]
made = pyfolio.txn.make_transaction_frame(
    pd.Series(
        {
            day: [{"sid": sid, "price": price, "order_id": sid, "amount": amount,
                   "commission": 0.0, "dt": day}]
            for day, (sid, price, amount) in zip(days, rows)
        }
    )
)
try:
    pyfolio.round_trips.extract_round_trips(made)
    own = "taken"
except ValueError as error:
    own = str(error)
print("transactions of its own:", own)
assert seen == {2.0: 20.0, 1.5: 10.0, 10.9: 100.0, 0.5: "KeyError 'close_dt'"}
assert own == "cannot insert dt, already exists"
PYTHON
