#!/usr/bin/env bash
# phacker 0.1.0: a trial in cash that earns interest is the best of all trials.
#
# Guess:    a stretch in which a trial holds nothing has no Sharpe ratio, or one of 0: its source
#           says that a column of zeros "scores 0, not NaN".
# Expected: the probability of backtest overfitting of six trials of which one earns 0.01% a day in
#           the second half is about that of the same trial with nothing a day there.
# Seen:     the deviation of equal returns is not 0 but what rounding leaves of it, and the Sharpe
#           ratio of the trial in cash is 10 ** 14: where a side of a split is its cash alone, it is
#           the best of that side. purgedcv 0.1.11 scores it 0, holdout-backtest 0.1.0 refuses the
#           returns and says which trial.
# Matters:  strategies that wait in cash with interest are common in a sweep; the probability is then
#           about the one that did not trade.
# Product:  a half whose returns are alike but for rounding has a Sharpe ratio of 0
#           (tests/test_overfitting.py, "a trial in cash that earns interest").
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    phacker==0.1.0 purgedcv==0.1.11 holdout-backtest==0.1.0 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from holdout import probability_of_backtest_overfitting as holdout
from phacker.cscv import cscv, sharpe
from purgedcv import probability_of_backtest_overfitting as purgedcv

earns = np.random.default_rng(5).normal(0.0003, 0.01, (1000, 6))
earns[500:, 2] = 0.0001
rests = earns.copy()
rests[500:, 2] = 0.0
found = sharpe(earns[500:])[2], sharpe(rests[500:])[2]
print(f"phacker: a Sharpe ratio per day of {found[0]:.3g} with interest, {found[1]:.3g} without")
overfit = cscv(earns, 4)[0], cscv(rests, 4)[0]
print(f"phacker: overfitting {overfit[0]:.4f} with interest, {overfit[1]:.4f} without")
others = [purgedcv(one.T, n_splits=4).pbo for one in (earns, rests)]
print(f"purgedcv: overfitting {others[0]:.4f} with interest, {others[1]:.4f} without")
try:
    holdout(earns, n_blocks=4)
    refused = "takes them"
except ValueError as error:
    refused = f"refuses them: {error}"
print("holdout-backtest:", refused)
same = others[0] == others[1] and "refuses" in refused
if not (found[0] > 1e9 and found[1] == 0 and overfit[0] != overfit[1] and same):
    raise SystemExit("changed")
PYTHON
