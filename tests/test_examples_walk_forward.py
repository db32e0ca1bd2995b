"""The walk-forward example, cut to two years and 120 companies: what it knew, and when."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import duckdb
import numpy as np
import pytest

from conftest import SHARED_DATA
from invariants import check_invariants
from ml4t.backtest import BacktestResult

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
needs_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the real market data is not next to this checkout"
)


@pytest.fixture(scope="module")
def sklearn() -> ModuleType:
    """Loaded by who runs a test: it takes seconds, which who only collects need not wait."""
    reason = "scikit-learn is not installed; see the extra 'examples'"
    return pytest.importorskip("sklearn", reason=reason)


@pytest.fixture(scope="module")
def example(sklearn: ModuleType) -> ModuleType:
    sys.path.insert(0, str(EXAMPLES))
    try:
        import walk_forward_ml
    finally:
        sys.path.pop(0)
    return walk_forward_ml


@pytest.fixture(scope="module")
def walk(example):
    return example.Walk(first_year=2004, last_year=2005, n_assets=70)


@pytest.fixture(scope="module")
def data(walk, tmp_path_factory) -> Path:
    """The market data, cut to the rows that the walk takes: every test of it reads them."""
    folder = tmp_path_factory.mktemp("data")
    for path in SHARED_DATA.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "sp500_daily.parquet").unlink()
    duckdb.sql(
        f"""
        copy (
            select * from '{SHARED_DATA}/sp500_daily.parquet' semi join (
                select distinct asset_id from '{SHARED_DATA}/sp500_membership.parquet'
                semi join '{SHARED_DATA}/sp500_daily.parquet' using (asset_id)
                order by asset_id limit {walk.n_assets}
            ) using (asset_id)
            where year(timestamp)
                between {walk.first_year - walk.train_years - 2} and {walk.last_year}
        ) to '{folder}/sp500_daily.parquet'
        """
    )
    return folder


@pytest.fixture(scope="module")
def walked(example, walk, data, tmp_path_factory):
    """The folds, the runs by name, and the folder of the Parquet files and the saved run."""
    out = tmp_path_factory.mktemp("walk_forward")
    return *example.walk_years(data, out, walk), out


@pytest.fixture(scope="module")
def plain(example, walk, data, tmp_path_factory):
    with prepared(example, data, tmp_path_factory.mktemp("plain"), walk) as database:
        yield database


def parquet(path: Path, columns: str = "*") -> list[tuple]:
    return duckdb.sql(f"select {columns} from '{path}' order by all").fetchall()


def prepared(example, data: Path, out: Path, walk) -> duckdb.DuckDBPyConnection:
    out.mkdir(exist_ok=True)
    database = duckdb.connect()
    example.prepare(data, out, walk, database)
    return database


def training(example, database, walk, year: int) -> duckdb.DuckDBPyRelation:
    values = {
        "test_year": year, "train_years": walk.train_years, "embargo": walk.embargo,
        "sample_every": walk.sample_every,
    }  # fmt: skip
    return database.sql(example.sql("walk_forward_training"), params=values)


@needs_data
def test_no_training_label_reaches_the_embargo_before_the_test_year(example, walk, walked, plain):
    folds, _, _ = walked
    assert [fold.year for fold in folds] == [2004, 2005]
    days = [
        day for (day,) in plain.sql("select distinct timestamp from daily order by 1").fetchall()
    ]
    number = {day: i for i, day in enumerate(days)}
    for fold in folds:
        rows = training(example, plain, walk, fold.year).fetchall()
        first = next(i for i, day in enumerate(days) if day.year == fold.year)
        ends = [number[row[0]] + 1 + walk.horizon for row in rows]
        assert len(rows) == fold.n_train > 2_500
        assert max(ends) + walk.embargo < first
        assert days[max(ends)] == fold.label_end < fold.test_start == days[first]
        assert fold.gap == first - max(ends) - 1 >= walk.embargo


@needs_data
def test_prices_from_the_test_year_on_change_no_training_row_and_no_earlier_score(
    example, walk, walked, data, plain, tmp_path
):
    other_data = tmp_path / "data"
    other_data.mkdir()
    (other_data / "sp500_membership.parquet").symlink_to(data / "sp500_membership.parquet")
    shaken = ", ".join(
        f"if(timestamp >= date '2005-01-01', 1 + hash(asset_id, timestamp) % 97 / 50, 1) * {name} "
        f"as {name}"
        for name in ("open", "high", "low", "close", "volume")
    )
    duckdb.sql(
        f"copy (select * replace ({shaken}) from '{data}/sp500_daily.parquet') "
        f"to '{other_data}/sp500_daily.parquet' (format parquet)"
    )
    with prepared(example, other_data, tmp_path / "shaken", walk) as other:
        rows = [training(example, database, walk, 2005).fetchall() for database in (plain, other)]
        assert rows[0] == rows[1]
        changed = [
            database.sql(
                "select forward_return from labels where timestamp between date '2004-12-20' "
                "and date '2004-12-31' order by timestamp, asset_id"
            ).fetchall()
            for database in (plain, other)
        ]
        assert changed[0] != changed[1]  # labels that purging leaves out
        _, predictions = example.walk_forward(walk, other)
        other.register("made", predictions)
        example.write_scores("from made", tmp_path / "made.parquet", other)
    _, _, out = walked
    found = [
        {row[:2]: row[2] for row in parquet(path, "timestamp, asset_id, score")}
        for path in (out / "model_scores.parquet", tmp_path / "made.parquet")
    ]
    before = [
        {key: score for key, score in scores.items() if key[0].year < 2005} for scores in found
    ]
    assert before[0] == before[1]
    assert len(before[0]) > 2_500
    assert found[0] != found[1]


@needs_data
def test_a_score_is_known_after_its_bar_and_never_at_it(walked):
    _, _, out = walked
    for name in ("model_scores", "momentum_scores"):
        relation = duckdb.read_parquet(str(out / f"{name}.parquet"))
        assert relation.columns == ["timestamp", "asset_id", "score", "available_at"]
        rows = relation.fetchall()
        assert len(rows) > 5_000
        assert all(row[3] > row[0] for row in rows)
        assert all(np.isfinite(row[2]) for row in rows)


@needs_data
def test_every_rank_used_the_newest_score_known_at_its_bar(walked):
    _, runs, out = walked
    for name in ("model", "momentum"):
        known = defaultdict(list)
        for available_at, asset, score, timestamp in parquet(
            out / f"{name}_scores.parquet", "available_at, asset_id, score, timestamp"
        ):
            known[asset].append((available_at, score, timestamp))
        ranks = runs[name].sql("select timestamp, asset_id, score from selections").fetchall()
        assert len(ranks) > 1_000
        for timestamp, asset, score in ranks:
            newest = bisect_right(known[asset], timestamp, key=lambda row: row[0]) - 1
            assert newest >= 0, (timestamp, asset)
            assert known[asset][newest][1] == score
            assert known[asset][newest][2] < timestamp


@needs_data
def test_a_rank_by_a_score_that_was_not_known_is_found(example, walked):
    _, runs, out = walked
    with duckdb.connect() as database:
        late = "available_at + 1 as available_at"
        database.sql(f"select * replace ({late}) from '{out}/model_scores.parquet'").create(
            "scores"
        )
        with pytest.raises(AssertionError, match="ranks are not of the newest known score"):
            example.require_known(runs["model"], database)


@needs_data
def test_the_walk_is_traded_by_its_rules_and_its_queries_answer(example, walked):
    _, runs, out = walked
    assert list(runs) == ["model", "momentum", "members"]
    for result in runs.values():
        check_invariants(result)
        years = result.sql(example.sql("sp500_yearly_returns")).fetchall()
        assert [year[0] for year in years] == [2004, 2005]
        assert np.prod([1 + year[2] for year in years]) - 1 == pytest.approx(result["total_return"])
        assert 0 < result.sql(example.sql("walk_forward_costs")).fetchall()[0][0] < 0.5
    rules = {row[0]: row[1] for row in runs["model"].exits.fetchall()}
    assert rules["VolatilityScaledStopLoss"] > 10
    saved = BacktestResult.open(out / "run.duckdb")
    assert saved["final_value"] == runs["model"]["final_value"]
    assert saved.sql("select max(rank) from selections").fetchall() == [(example.TOP,)]
    assert runs["members"]["exposure"] > 0.9


def test_the_information_coefficient_is_spearmans(example):
    with duckdb.connect() as database:
        database.execute(
            """
            create table rows as
            select date '2024-01-01' + day::integer as timestamp, day as bar, 'S' || i as asset_id,
                sin(7 * i + day) as score, cos(3 * i * day) as forward_return
            from range(1, 5) as days (day), range(12) as assets (i)
            """
        )
        database.execute("create view scores as select timestamp, asset_id, score from rows")
        database.execute("create view labels as select * exclude (score) from rows")
        rows = database.execute(
            example.sql("walk_forward_information"), {"horizon": 2, "top_n": 3}
        ).fetchall()
        days = [database.sql(f"from rows where bar = {bar}").fetchnumpy() for bar in range(1, 5)]
    coefficients, excess = [], []
    for day in days:
        order = [day[name].argsort().argsort() for name in ("score", "forward_return")]
        coefficients.append(np.corrcoef(*order)[0, 1])
        top = day["forward_return"][day["score"].argsort()[-3:]]
        excess.append(top.mean() - day["forward_return"].mean())
    apart = np.array(coefficients)[[1, 3]]  # bars 2 and 4
    for row, year in zip(rows, (2024, None), strict=True):
        assert row[0] == year
        assert row[1:] == pytest.approx(
            (
                np.mean(coefficients),
                apart.mean() / apart.std(ddof=1) * np.sqrt(2),
                np.mean(np.array(coefficients) > 0),
                np.mean(excess),
                4,
            )
        )


def test_a_label_begins_at_the_next_close_and_counts_splits_and_dividends(example):
    with duckdb.connect() as database:
        database.execute(
            """
            create view raw_prices as
            select date '2024-01-01' + i as timestamp, 'A' as asset_id, close, dividend, split
            from (values (0, 10, 0, 1), (1, 20, 0, 1), (2, 15, 0, 2), (3, 30, 3, 1), (4, 60, 0, 1))
                as bars (i, close, dividend, split)
            union all  -- no bar 3: no window over it is whole
            select date '2024-01-01' + i, 'B', 10, 0, 1 from unnest([0, 1, 2, 4]) as bars (i)
            """
        )
        database.execute(example.sql("walk_forward_labels"), {"horizon": 1})
        rows = database.sql(
            "select asset_id, bar, forward_return, label_end_bar from labels order by all"
        ).fetchall()
    assert rows == [
        ("A", 1, 0.5, 3),  # 20 became two shares of 15
        ("A", 2, 1.2, 4),  # 15 became 30 and a dividend of 3
        ("A", 3, pytest.approx(1.0), 5),
        ("A", 4, None, None),
        ("A", 5, None, None),
        ("B", 1, 0.0, 3),
        ("B", 2, None, None),
        ("B", 3, None, None),
        ("B", 5, None, None),
    ]


@needs_data
def test_a_walk_that_looks_into_its_test_year_is_refused(
    example, walk, data, tmp_path, monkeypatch
):
    text = example.sql
    careless = text("walk_forward_training").replace(
        "samples.label_end_bar + $embargo", "$embargo - 1e9"
    )
    monkeypatch.setattr(
        example, "sql", lambda name: careless if name == "walk_forward_training" else text(name)
    )
    with (
        prepared(example, data, tmp_path, replace(walk, last_year=2004)) as database,
        pytest.raises(AssertionError, match=r"a label of 2004 ends at 2004-01-\d\d"),
    ):
        example.walk_forward(replace(walk, last_year=2004), database)


def test_the_example_says_what_is_missing(tmp_path, sklearn, run_script):
    code, _, error = run_script(EXAMPLES / "walk_forward_ml.py", tmp_path)
    assert code == 2, error
    assert re.match(r"no sp500_daily\.parquet in '.*'; pass the folder that holds", error)
