"""Splits of panels and catalogs: rows in any order, label by label, as scikit-learn asks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from blocks_of_time import Blocks
from ml4t.backtest import BacktestEngine, Catalog, ConfigError, TopN
from ml4t.backtest.sweep.combinatorial import CombinatorialPurged
from ml4t.backtest.sweep.walk_forward import WalkForward

DAY = np.datetime64("2024-01-01T00:00:00.000000")
WALK = WalkForward(train=6, test=3, purge=1)


def panel(n_bars: int = 15, n_assets: int = 4) -> pd.DataFrame:
    """Rows in no order, some bars without some assets; labels end after up to four days."""
    pick = np.random.default_rng(3)
    bar, asset = (each.ravel() for each in np.indices((n_bars, n_assets)))
    rows = pd.DataFrame(
        {"timestamp": DAY + bar * np.timedelta64(1, "D"), "asset_id": asset, "bar": bar}
    )
    rows["label_end"] = rows["timestamp"] + pd.to_timedelta(pick.integers(0, 5, len(rows)), "D")
    kept = (asset == 0) | (pick.random(len(rows)) < 0.7)
    return rows[kept].sample(frac=1, random_state=3, ignore_index=True)


def rows_of(found: Any) -> list[tuple[list[int], list[int]]]:
    return [(train.tolist(), test.tolist()) for train, test in found]


def test_all_rows_of_a_bar_are_in_the_same_part() -> None:
    rows = panel()
    folds = WALK.folds(np.unique(rows["timestamp"]))
    assert WALK.get_n_splits(rows) == len(folds) == 3
    for fold, (train, test) in zip(folds, WALK.split(rows), strict=True):
        for part, bars in ((train, fold.train_bars), (test, fold.test_bars)):
            assert part.tolist() == rows.index[rows["bar"].isin(bars)].tolist()
            assert set(rows["bar"][part]) == set(bars.tolist())


@pytest.mark.parametrize("make", [Blocks(n=3, embargo=1), WalkForward(train=6, test=3, embargo=1)])
def test_a_label_of_one_asset_takes_no_row_of_another(make: Any) -> None:
    rows = panel()
    end = ((rows["label_end"] - pd.Timestamp(DAY)).dt.days).clip(upper=14)
    n_less, partly = 0, set()
    without = rows_of(make.split(rows))
    for (train, test), (every, _) in zip(
        make.split(rows, groups=rows[["timestamp", "label_end"]]), without, strict=True
    ):
        bars = rows["bar"][test]
        first, reached = bars.min(), end[test].max()
        if make.is_walk:
            fits = (rows["bar"] < first) & (rows["bar"] >= first - 6) & (end + 1 < first)
        else:
            fits = ((rows["bar"] < first) & (end < first)) | (rows["bar"] > reached + 1)
        assert train.tolist() == rows.index[fits].tolist()
        n_less += len(every) - len(train)
        partly |= set(rows["bar"][train]) & set(rows["bar"].drop(train)) - set(bars)
    assert n_less > 0
    assert partly


def test_the_rows_of_every_package_are_split_alike() -> None:
    rows = panel().drop(columns="label_end")
    expected = rows_of(WALK.split(rows))
    assert len(expected) == 3
    times = rows["timestamp"]
    values = rows[["bar"]].to_numpy()
    zoned = times.dt.tz_localize("America/New_York")
    for table, groups in (
        (pl.from_pandas(rows), None),
        (pl.from_pandas(rows).to_arrow(), None),
        ({"timestamp": times.to_numpy()}, None),
        (rows.set_index("timestamp"), None),
        (rows.set_index(times.rename("when"))[["bar"]], None),
        (rows.set_index(["asset_id", "timestamp"]), None),
        (values, times),
        (values, times.dt.date.tolist()),
        (values, pl.Series(times.to_numpy())),
        (values, zoned),
        (values, pd.DataFrame({"timestamp": zoned})),
        (values, pl.DataFrame({"timestamp": times.to_numpy()})),
        (None, times),
    ):
        assert rows_of(WALK.split(table, groups=groups)) == expected


@pytest.mark.parametrize(
    ("table", "groups", "message"),
    [
        (np.empty((5, 2)), None, r"X has no column or index level 'timestamp'; give them one per"),
        (None, None, "X has no column or index level 'timestamp'"),
        (np.empty((5, 2)), DAY + np.arange(4), "each row: 4 were given for 5 rows"),
        (np.empty((5, 2)), pd.DataFrame({"when": DAY + np.arange(5)}), "columns when and no 'time"),
        (np.empty((5, 2)), np.arange(5), "timestamps of rows must be dates or times, were int64"),
        (np.empty((0, 2)), np.empty(0, "datetime64[D]"), "there are no rows"),
    ],
)
def test_rows_without_timestamps_are_refused(table: Any, groups: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        next(WALK.split(table, groups=groups))
    with pytest.raises(ConfigError, match=message):
        WALK.get_n_splits(table, groups=groups)


@pytest.fixture(scope="module")
def sklearn() -> ModuleType:
    reason = "scikit-learn is not installed; see the extra 'examples'"
    return pytest.importorskip("sklearn", reason=reason)


def test_scikit_learn_takes_a_walk_as_its_cv(sklearn: ModuleType) -> None:
    from sklearn.dummy import DummyRegressor
    from sklearn.model_selection import GridSearchCV, cross_val_score

    rows = panel()
    groups = rows[["timestamp", "label_end"]]
    values, target = rows[["bar"]].to_numpy(), rows["asset_id"].to_numpy().astype(float)

    def mean_of_train(model: Any, _: Any, __: Any) -> float:
        return float(model.constant_.item())

    expected = [target[train].mean() for train, _ in WALK.split(values, groups=groups)]
    found = cross_val_score(
        DummyRegressor(), values, target, groups=groups, cv=WALK, scoring=mean_of_train
    )
    assert found.tolist() == pytest.approx(expected)
    search = GridSearchCV(
        DummyRegressor(), {"strategy": ["mean", "median"]}, cv=WALK, scoring=mean_of_train
    )
    search.fit(values, target, groups=groups)
    assert search.n_splits_ == 3
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(np.mean(expected))


# -- catalogs -------------------------------------------------------------------------------


def catalog_of(times: Any, **settings: Any) -> Catalog:
    closes = [100.0 + i % 7 for i in range(len(times))]
    prices = {"timestamp": times, "asset_id": ["A"] * len(times), "open": closes, "close": closes}
    return Catalog(**settings).register("prices", prices)


def times_run(catalog: Catalog, start: Any, end: Any) -> list[Any]:
    result = BacktestEngine(catalog, TopN(1, by="close"), start=start, end=end).run()
    return [row[0] for row in result.sql("select timestamp from equity order by 1").fetchall()]


def test_a_run_from_the_start_to_the_end_of_a_part_has_its_bars() -> None:
    dates = [date(2024, 1, 1) + timedelta(days=i) for i in range(40)]
    zone = ZoneInfo("America/New_York")
    moments = [datetime(2024, 3, 8, 10, tzinfo=zone) + timedelta(hours=7 * i) for i in range(40)]
    walk = WalkForward(train=10, test=12, warm_up=4)
    for times, settings in (
        (dates, {}),
        ([time.replace(tzinfo=None) for time in moments], {}),
        (moments, {"timezone": "America/New_York"}),
    ):
        catalog = catalog_of(times, **settings)
        folds = walk.folds(catalog)
        assert len(folds) == 3
        (test,), (warm,) = folds[1].test, folds[1].warm_up
        assert times_run(catalog, test.start, test.end) == times[test.first_t : test.last_t + 1]
        (start,) = folds[1].run_starts
        assert times_run(catalog, start, test.end) == times[warm.first_t : test.last_t + 1]


def test_parts_of_bars_a_few_nanoseconds_apart_have_their_bars() -> None:
    catalog = catalog_of(np.datetime64("2024-01-02T10:00:00.000000001") + 7 * np.arange(40))
    for fold in WalkForward(train=10, test=20).folds(catalog):
        (test,) = fold.test
        assert len(times_run(catalog, test.start, test.end)) == test.n_bars


def test_the_sessions_of_a_catalog_are_dates_in_its_zone_or_those_of_its_calendar() -> None:
    # From 18:00 in New York on the bars are of the next session.
    zone = ZoneInfo("America/New_York")
    times = [
        datetime(2024, 1, day, hour, tzinfo=zone) for day in range(7, 12) for hour in (12, 19, 23)
    ]
    walk = WalkForward(train="1 session", test="1 session")
    plain = catalog_of(times, timezone="America/New_York")
    assert [fold.test_bars.tolist() for fold in walk.folds(plain)] == [
        [3 * day, 3 * day + 1, 3 * day + 2] for day in range(1, 5)
    ]
    in_utc = walk.folds(catalog_of(times))
    assert in_utc[0].test_bars.tolist() == [1, 2, 3]
    sessions = [date(2024, 1, day) for day in range(7, 13)]
    closes = [datetime(2024, 1, day, 17, tzinfo=zone) for day in range(7, 13)]
    opens = [close - timedelta(hours=23) for close in closes]
    known = catalog_of(times, timezone="America/New_York")
    known.register("calendar", {"session": sessions, "opens": opens, "closes": closes})
    assert [fold.test_bars.tolist() for fold in walk.folds(known)] == [
        [1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14],
    ]  # fmt: skip


# -- combinatorial splits -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_folds": 2}, "n_folds must be a whole number of at least 3, was 2"),
        ({"n_folds": 5, "n_test_folds": 5}, "n_test_folds must be a whole number from 2 to 4"),
        ({"n_test_folds": 1}, "n_test_folds must be a whole number from 2 to 9, was 1"),
        ({"embargo": "soon"}, "embargo was 'soon'; write a number of bars"),
    ],
)
def test_a_choice_of_folds_that_is_none_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CombinatorialPurged(**settings)


def test_without_skfolio_the_line_that_installs_it_is_said(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skfolio.model_selection", None)
    monkeypatch.setitem(__import__("sys").modules, "skfolio", None)
    with pytest.raises(ConfigError, match=r"pip install 'ml4t-backtest-duckdb\[skfolio\]'"):
        CombinatorialPurged().folds(DAY + np.arange(100))
