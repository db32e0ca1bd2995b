#!/usr/bin/env bash
# deflated-sharpe 0.1.0, pymlfinance 0.1.1: arguments are not in the units that their docs say.
#
# Guess:    a function that asks for an annual Sharpe ratio and a number of days turns one into the
#           other, and one that asks for excess kurtosis adds 3.
# Expected: of the example of Bailey and Lopez de Prado (2014), an annual ratio of 2.5 over 1250 days,
#           skew -3, kurtosis 10 (excess 7), 100 trials with a variance of 1/2: a probability of
#           0.9004, a p-value of 0.0996.
# Seen:     deflated-sharpe takes the annual ratio as one per day: its statistic is 18, p is 0. It
#           does not ask for the variance of the trials, either; per day p is 0.0046. pymlfinance
#           documents "Excess kurtosis of returns": 7 gives 0.9018, and 10 the 0.9004 of the paper.
# Matters:  the first makes any annual ratio above 1 significant after any number of trials; the
#           second makes thick tails thinner by 3.
# Product:  takes both from the run itself; the example is a test (tests/test_overfitting.py).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    deflated-sharpe==0.1.0 pymlfinance==0.1.1 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
from deflated_sharpe.gates import deflated_sharpe_ratio
from pymlfinance.backtesting import deflated_sharpe_ratio as pymlfinance

assert "(annualized)" in deflated_sharpe_ratio.__doc__
annual = deflated_sharpe_ratio(2.5, 100, 1250, skewness=-3.0, kurtosis=10.0)
daily = deflated_sharpe_ratio(2.5 / 250**0.5, 100, 1250, skewness=-3.0, kurtosis=10.0)
print(f"deflated-sharpe: statistic and p of the annual ratio {annual}, of the daily one {daily}")
assert "Excess kurtosis" in pymlfinance.__doc__
facts = 2.5 / 250**0.5, (0.5 / 250) ** 0.5, 1250, 100, -3.0
excess, whole = pymlfinance(*facts, 7.0), pymlfinance(*facts, 10.0)
print(f"pymlfinance: {excess:.4f} of the excess kurtosis, {whole:.4f} of the kurtosis")
if (annual[1], round(daily[1], 4), round(excess, 4), round(whole, 4)) != (0, 0.0046, 0.9018, 0.9004):
    raise SystemExit("changed")
PYTHON
