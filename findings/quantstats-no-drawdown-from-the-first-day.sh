#!/usr/bin/env bash
# quantstats 0.0.86: a strategy that is under water from its first day on has no drawdown in the table.
#
# Guess:    the first day counts, since quantstats puts a baseline before it: the table of
#           `drawdown_details` has every drawdown that `max_drawdown` sees.
# Expected: returns of -20 %, 5 %, -3 % have one drawdown of 20 % or more, not recovered.
# Seen:     max_drawdown is -20 %, and drawdown_details is an empty table: a start is a day at the
#           peak followed by one below it, and where no day is that the table is given up. With a
#           recovery and a second drawdown the first is there.
# Matters:  the worst case, a strategy that loses from the first day to the last, shows in the
#           tear sheet's "worst drawdowns" as one without any.
# Product:  report.drawdowns has it, with NULL for the peak, which was the initial capital
#           (tests/parity/test_metric_packages.py, series "first loss" and "constant losses").
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    quantstats==0.0.86 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import pandas as pd
import quantstats.stats as qs


def shown(returns: list[float]) -> tuple[float, list[float]]:
    series = pd.Series(returns, index=pd.date_range("2024-01-01", periods=len(returns)))
    details = qs.drawdown_details(qs.to_drawdown_series(series))
    worst = round(float(qs.max_drawdown(series)), 6)
    found = worst, [round(float(one), 6) for one in details["max drawdown"]]
    print(returns, "max_drawdown", found[0], "drawdown_details", found[1])
    return found


from_the_first_day = shown([-0.2, 0.05, -0.03])
later = shown([0.1, -0.2, 0.05, -0.03])
twice = shown([-0.2, 0.5, -0.03])
if from_the_first_day != (-0.2, []) or later != (-0.2, [-20.0]) or twice != (-0.2, [-20.0, -3.0]):
    raise SystemExit("changed: other drawdowns")
PYTHON
