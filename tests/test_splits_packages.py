"""Splits beside those of skfolio; `make test-interchange` installs the version they are held to."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml4t.backtest import ConfigError
from ml4t.backtest.sweep.combinatorial import CombinatorialPurged
from ml4t.backtest.sweep.walk_forward import WalkForward

DAY = np.datetime64("2024-01-01")
# It warns of what pandas and NumPy will change.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def skfolio() -> Any:
    reason = "skfolio is not installed; see the extra 'skfolio'"
    return pytest.importorskip("skfolio.model_selection", reason=reason)


def days(n: int) -> np.ndarray:
    return DAY + np.arange(n)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("partial", [False, True])
def test_a_walk_in_bars_is_that_of_skfolio(skfolio: Any, anchored: bool, partial: bool) -> None:
    for n, train, test, purge in product((17, 30), (4, 9), (2, 5), (0, 3)):
        peer = skfolio.WalkForward(
            test_size=test, train_size=train, purged_size=purge, expand_train=anchored,
            reduce_test=partial,
        )  # fmt: skip
        # What it purges it adds to the train part first.
        walk = WalkForward(
            train=train + purge, test=test, purge=purge, anchored=anchored, partial=partial
        )
        assert [
            (fold.train_bars.tolist(), fold.test_bars.tolist()) for fold in walk.folds(days(n))
        ] == [(one.tolist(), other.tolist()) for one, other in peer.split(np.empty((n, 1)))]


def test_a_walk_in_years_is_that_of_skfolio_but_for_a_bar_before_the_year(skfolio: Any) -> None:
    there = pd.bdate_range("2010-01-01", "2016-12-30")
    peer = skfolio.WalkForward(
        test_size=1, train_size=pd.DateOffset(years=2), freq="YS", purged_size=5
    )
    theirs = list(peer.split(pd.DataFrame({"a": 0.0}, index=there)))
    ours = WalkForward(train="2 years", test="1 year", purge=5, partial=False).folds(there)
    # It needs a bar after the last year to know that it is over.
    assert (len(theirs), len(ours)) == (4, 5)
    n_more = 0
    for fold, (train, test) in zip(ours, theirs, strict=False):
        assert fold.test_bars.tolist() == test.tolist()
        # Where 1 January is no bar, it trains on the last one of the year before.
        more = int(there[train[0]].year < fold.train[0].start.year)
        assert fold.train_bars.tolist() == train[more:].tolist()
        n_more += more
    assert n_more == 2


@pytest.mark.parametrize(
    ("n", "n_folds", "n_test_folds"), [(31, 3, 2), (60, 6, 2), (60, 5, 4), (83, 7, 3)]
)
def test_combinatorial_splits_are_those_of_skfolio(skfolio, n, n_folds, n_test_folds) -> None:
    for purge, embargo in ((0, 0), (2, 0), (0, 3), (2, 3)):
        settings = {"n_folds": n_folds, "n_test_folds": n_test_folds}
        peer = skfolio.CombinatorialPurgedCV(**settings, purged_size=purge, embargo_size=embargo)
        splits = CombinatorialPurged(**settings, purge=purge, embargo=embargo, warm_up=4)
        folds = splits.folds(days(n))
        assert splits.get_n_splits(None, groups=days(n)) == peer.get_n_splits() == len(folds)
        for fold, (train, tests), paths in zip(
            folds, peer.split(np.empty((n, 1))), peer.get_path_ids(), strict=True
        ):
            assert fold.train_bars.tolist() == train.tolist()
            assert [span.bars.tolist() for span in fold.test] == [one.tolist() for one in tests]
            assert fold.paths == tuple(paths + 1)
            for span, warm in zip(fold.test, fold.warm_up, strict=True):
                begin = max(span.first_t - 4, 0)
                assert (begin if warm is None else warm.first_t) == begin
        # Each path goes through all bars once.
        for path in range(1, splits.n_paths + 1):
            parts = [
                span.bars
                for fold in folds
                for span, of in zip(fold.test, fold.paths, strict=True)
                if of == path
            ]
            assert sorted(np.concatenate(parts).tolist()) == list(range(n))


def test_rows_of_combinatorial_splits_are_those_of_their_folds(skfolio: Any) -> None:
    splits = CombinatorialPurged(n_folds=5, n_test_folds=2, purge="2 days", embargo="1 day")
    times = np.random.default_rng(1).permutation(np.repeat(days(40), 3))
    for fold, (train, test) in zip(
        splits.folds(days(40)), splits.split(None, groups=times), strict=True
    ):
        for rows, bars in ((train, fold.train_bars), (test, fold.test_bars)):
            assert rows.tolist() == np.isin(times, days(40)[bars]).nonzero()[0].tolist()


def test_what_skfolio_refuses_is_a_setting_outside_what_it_may_be(skfolio: Any) -> None:
    with pytest.raises(ConfigError, match="12 bars cannot be cut into n_folds=10"):
        CombinatorialPurged().folds(days(12))
    with pytest.raises(ConfigError, match="skfolio refuses n_folds=40"):
        CombinatorialPurged(n_folds=40, n_test_folds=20).folds(days(400))
    with pytest.raises(ConfigError, match="nothing is left to train on in fold 1"):
        CombinatorialPurged(n_folds=3, n_test_folds=2, purge=40).folds(days(60))
