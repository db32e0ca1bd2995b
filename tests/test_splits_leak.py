"""A planted leak: labels that overlap, no signal, and a model that remembers its neighbours.

The feature is a random walk of each asset, made apart from its returns: nothing can be predicted,
and every out-of-sample score that is not 0 within its error has looked. Scores are correlations of
predictions with labels, their mean and its standard error are over panels made apart.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from blocks_of_time import Blocks
from ml4t.backtest.sweep.splits import Splits
from ml4t.backtest.sweep.walk_forward import WalkForward

HORIZON = 5
N_PANELS = 24
N_ASSETS = 16
N_BARS = 160


class Panel(NamedTuple):
    rows: pd.DataFrame
    feature: np.ndarray
    label: np.ndarray


def panels(memory: float = 0.0) -> list[Panel]:
    """Labels are the returns of the next five bars; `memory` is the correlation of two returns."""
    found = []
    bar = np.repeat(np.arange(N_BARS), N_ASSETS)
    day = np.datetime64("2024-01-01") + bar
    rows = pd.DataFrame({"timestamp": day, "label_end": day + HORIZON})
    for seed in range(N_PANELS):
        pick = np.random.default_rng(seed)
        returns = pick.normal(size=(N_BARS + HORIZON, N_ASSETS))
        returns[0] /= np.sqrt(1 - memory**2)
        for t in range(1, len(returns)):
            returns[t] += memory * returns[t - 1]
        price = returns.cumsum(axis=0)
        feature = pick.normal(size=(N_BARS, N_ASSETS)).cumsum(axis=0) + 1e4 * np.arange(N_ASSETS)
        label = price[HORIZON:] - price[:-HORIZON]
        found.append(Panel(rows, feature.reshape(-1, 1), label.ravel()))
    return found


@pytest.fixture(scope="module")
def neighbours() -> Callable[[], Any]:
    reason = "scikit-learn is not installed; see the extra 'examples'"
    package = pytest.importorskip("sklearn.neighbors", reason=reason)
    return lambda: package.KNeighborsRegressor(3)


def score(
    neighbours: Callable[[], Any],
    made: list[Panel],
    splits: Splits,
    columns: list[str],
    *,
    only_after: bool = False,
) -> tuple[float, float]:
    """Return the mean score and its standard error."""
    means = []
    for rows, feature, label in made:
        scores = []
        # Every fourth fold: more panels say more about the error than more folds of one.
        for train, test in islice(splits.split(rows, groups=rows[columns]), 0, None, 4):
            used = train[train > test[-1]] if only_after else train
            if len(used):
                model = neighbours().fit(feature[used], label[used])
                scores.append(np.corrcoef(model.predict(feature[test]), label[test])[0, 1])
        means.append(np.mean(scores))
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means)))


def test_a_walk_that_is_not_purged_scores_where_there_is_no_signal(neighbours) -> None:
    made = panels()
    careless = WalkForward(train=60, test=HORIZON)
    purged = WalkForward(train=60, test=HORIZON, purge=HORIZON)
    mean, error = score(neighbours, made, careless, ["timestamp"])
    assert mean > 0.05
    assert mean > 3 * error
    mean, error = score(neighbours, made, purged, ["timestamp"])
    assert abs(mean) < 2 * error
    rows = made[0].rows
    by_label = careless.split(rows, groups=rows)
    for (train, _), (same, _) in zip(by_label, purged.split(rows), strict=True):
        assert (train == same).all()


def test_a_purge_without_an_embargo_scores_where_returns_remember_the_test_part(neighbours) -> None:
    """What is trained on begins after the labels of the test part, whose returns go on in it."""
    made = panels(memory=0.9)
    found = [
        score(neighbours, made, Blocks(n=24, purge=purge, embargo=embargo), ["timestamp"],
              only_after=True)
        for purge, embargo in ((0, 0), (HORIZON, 0), (HORIZON, 40))
    ]  # fmt: skip
    (careless, _), (purged, error), (embargoed, its_error) = found
    assert careless > purged > 0.05
    assert purged > 5 * error
    assert abs(embargoed) < 2 * its_error
