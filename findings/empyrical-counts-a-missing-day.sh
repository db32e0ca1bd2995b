#!/usr/bin/env bash
# empyrical-reloaded 0.7.1, quantstats 0.0.86: a missing day counts in some metrics and not in others.
#
# Guess:    a NaN among the returns is left out by all metrics alike, or none of them has a value.
# Expected: of six days, one of them NaN, what the five others give.
# Seen:     empyrical leaves it out of Sharpe ratio, volatility and drawdown; its annual return
#           counts it as a day, and its value at risk is NaN, though the conditional one is not.
#           quantstats leaves it out of these four; its ulcer index divides by it.
# Matters:  a strategy that begins later, a holiday of one market or a hole in the data moves one
#           number of a tear sheet and not its neighbour; ratios of the two mix both.
# Product:  every bar has an equity, so that no return is missing but after the last of the money; from
#           there on it is NULL, in all metrics (tests/parity/test_metric_packages.py, "wiped out").
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    empyrical-reloaded==0.7.1 quantstats==0.0.86 pandas==3.1.1 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import math

import empyrical as ep
import pandas as pd
import quantstats.stats as qs

returns = pd.Series(
    [0.10, math.nan, -0.05, 0.02, -0.10, 0.05], index=pd.bdate_range("2024-01-01", periods=6)
)
metrics = {
    "empyrical sharpe": ep.sharpe_ratio,
    "empyrical volatility": ep.annual_volatility,
    "empyrical drawdown": ep.max_drawdown,
    "empyrical conditional value at risk": ep.conditional_value_at_risk,
    "empyrical annual return": ep.annual_return,
    "empyrical value at risk": ep.value_at_risk,
    "quantstats sharpe": qs.sharpe,
    "quantstats drawdown": qs.max_drawdown,
    "quantstats value at risk": qs.value_at_risk,
    "quantstats ulcer index": qs.ulcer_index,
}
moved = []
for name, metric in metrics.items():
    with_it, without = float(metric(returns)), float(metric(returns.dropna()))
    print(f"{name}: {with_it:.6f} with the missing day, {without:.6f} without")
    if not math.isclose(with_it, without, rel_tol=1e-12):
        moved.append(name)
if moved != ["empyrical annual return", "empyrical value at risk", "quantstats ulcer index"]:
    raise SystemExit(f"changed: {moved}")
PYTHON
