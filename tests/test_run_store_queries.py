"""A store of runs: one set of tables, what differs in two runs, and which are kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    ResultError,
    RunStore,
    SQLStrategy,
    TopN,
)
from ml4t.backtest.results.run_store.difference import COMPARED, Difference
from ml4t.backtest.results.tables import TABLES
from stored_runs import copy_of, id_of_run, listed_ids, run_of, store_of


@pytest.fixture(scope="module")
def runs() -> list[BacktestResult]:
    return [run_of(1), run_of(1, every=3), run_of(2)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, runs: list[BacktestResult]) -> RunStore:
    return store_of(tmp_path_factory.mktemp("whole") / "store", runs)


@pytest.fixture
def store(tmp_path: Path, whole: RunStore) -> RunStore:
    return copy_of(whole, tmp_path / "store")


# -- one set of tables ----------------------------------------------------------------------


def test_any_duckdb_reads_all_runs_as_one(store: RunStore, runs: list[BacktestResult]) -> None:
    with duckdb.connect() as connection:
        for table in TABLES:
            (found,) = connection.execute(
                f"select count(*) from read_parquet('{store.path}/runs/*/{table}.parquet', "
                "hive_types_autocast = false)"
            ).fetchall()
            assert found[0] == sum(len(getattr(run, table).fetchall()) for run in runs)
        metrics = f"read_parquet('{store.path}/runs/*/metrics.parquet')"
        assert dict(
            connection.execute(f"select run_id, final_value from {metrics}").fetchall()
        ) == {id_of_run(run): run["final_value"] for run in runs}


def test_sql_reads_every_table_of_every_run(store: RunStore, runs: list[BacktestResult]) -> None:
    for table in TABLES:
        found = store.sql(f"select run_id, count(*) from {table} group by 1").fetchall()
        counts = {id_of_run(run): len(getattr(run, table).fetchall()) for run in runs}
        assert dict(found) == {run_id: n for run_id, n in counts.items() if n}
    joined = store.sql(
        "select metrics.run_id, any_value(metrics.n_trades) = count(*) "
        "from trades join metrics using (run_id) where exit_timestamp is not null group by 1"
    ).fetchall()
    assert [is_equal for _, is_equal in joined] == [True] * 3
    there = store.sql("select view_name from duckdb_views() where not internal").fetchall()
    assert {name for (name,) in there} == {*TABLES}


@pytest.mark.parametrize(
    "query",
    [
        "drop table metrics",
        "insert into metrics select * from metrics",
        "select 1; select 2",
        "copy metrics to 'out.csv'",
        "attach 'x.duckdb'",
        "set threads = 2",
    ],
)
def test_sql_only_reads(store: RunStore, query: str) -> None:
    with pytest.raises(ResultError, match="one query that only reads"):
        store.sql(query)


def test_sql_reads_nothing_beside_the_store(store: RunStore, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    duckdb.sql("select 1 as x").write_parquet(str(other))
    with pytest.raises(duckdb.PermissionException):
        store.sql(f"from '{other}'").fetchall()
    trades = store.sql("from trades")
    with pytest.raises(duckdb.PermissionException):
        trades.write_parquet(str(tmp_path / "out.parquet"))


def test_a_store_under_a_folder_that_looks_like_a_key_has_no_more_columns(
    tmp_path: Path, runs: list[BacktestResult]
) -> None:
    store = RunStore(tmp_path / "year=2024" / "sto[r]e")
    store.add(runs[0])
    assert store.sql("from trades").columns == runs[0].trades.columns
    assert len(store.sql("from equity").fetchall()) == runs[0]["n_bars"]


def test_runs_of_other_types_are_read_in_the_type_that_takes_all(store: RunStore) -> None:
    """One of dates and whole-number assets beside those of times and names."""
    days = [datetime(2024, 1, 1).date() + timedelta(days=i) for i in range(6)]
    closes = [10.0, 11, 12, 11, 10, 12]
    prices = {"timestamp": days, "asset_id": [7] * 6, "open": closes, "close": closes}
    run = BacktestEngine(Catalog().register("prices", prices), TopN(1, by="close")).run()
    run_id = store.add(run)

    (fill,) = store.sql(
        f"select distinct asset_id, typeof(timestamp) from fills where run_id = '{run_id}'"
    ).fetchall()
    assert fill == ("7", "TIMESTAMP")
    assert store.sql("select count(distinct run_id) from equity").fetchall() == [(4,)]
    assert listed_ids(store)[-1] == run_id


# -- comparing ------------------------------------------------------------------------------


def test_compare_shows_metrics_in_the_order_asked_and_what_was_set_otherwise(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    ids = [id_of_run(run) for run in (runs[1], runs[0])]
    found = store.compare(ids)

    assert found.metrics.project("run_id, sharpe").fetchall() == [
        (run_id, run["sharpe"]) for run_id, run in zip(ids, (runs[1], runs[0]), strict=True)
    ]
    assert {name: texts for name, *texts in found.parameters} == {
        "strategy": ["TopN(2, by='score', every=3)", "TopN(2, by='score', every=2)"],
        "strategy.every": ["3", "2"],
    }
    assert "strategy.every" in repr(found)
    assert len(store.compare().run_ids) == 3
    with pytest.raises(ResultError, match="two runs or more"):
        store.compare(ids[:1])
    data = store.compare([id_of_run(runs[0]), id_of_run(runs[2])]).parameters
    assert {name.rpartition(".")[0] for name, *_ in data} == {"sources.prices", "sources.features"}


def test_diff_says_which_rows_differ_and_from_which_bar_on(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    """Every second bar and every third decide alike at the first one; then at other bars."""
    one, other = (id_of_run(run) for run in runs[:2])
    found = store.diff(one, other)
    times = [time for (time,) in runs[0].sql("select timestamp from equity order by 1").fetchall()]

    assert not found.is_equal
    # Bars are counted from 0: the second of one is the first at which only one of them decides.
    decided = [{*run.sql("select timestamp from selections").fetchall()} for run in runs[:2]]
    assert (found.first_bar,) == min(decided[0] ^ decided[1])
    assert found.first_bar in times[1:3]
    rows = {
        run: {row[1:] for row in found.fills.fetchall() if row[0] == run}
        for run in (found.one, found.other)
    }
    items = ", ".join(found.fills.columns[1:])
    fills = [{*run.sql(f"select {items} from fills").fetchall()} for run in runs[:2]]
    assert rows == {one: fills[0] - fills[1], other: fills[1] - fills[0]}
    first = runs[0].sql("select timestamp, equity from equity order by 1").fetchall()
    second = runs[1].sql("select timestamp, equity from equity order by 1").fetchall()
    assert found.equity.fetchall() == [
        (time, mine, yours, yours - mine)
        for (time, mine), (_, yours) in zip(first, second, strict=True)
        if mine != yours
    ]
    assert found.first_equity == found.equity.fetchall()[0][0]
    assert [name for name, *_ in found.parameters] == ["strategy", "strategy.every"]
    assert {table for table, *_ in found.tables.fetchall()} == {*COMPARED}


def test_one_more_trade_does_not_make_all_later_ones_differ() -> None:
    """They have other numbers, and so have their fills: those are none of the trade."""

    def run_with(quantity_of_c: float) -> BacktestResult:
        keys = {
            "timestamp": [date(2024, 1, day) for day in range(1, 7) for _ in "ABC"],
            "asset_id": list("ABC") * 6,
        }
        held = [(0, 0, quantity_of_c), (5, 0, 0), (0, 7, 0), (3, 0, 0), (0, 0, 0), (0, 0, 0)]
        catalog = Catalog()
        catalog.register("prices", {**keys, "open": [10.0] * 18, "close": [10.0] * 18})
        catalog.register("features", {**keys, "held": [float(one) for bar in held for one in bar]})
        query = "select timestamp, asset_id, held as quantity from signals"
        return BacktestEngine(catalog, SQLStrategy(query)).run()

    found = Difference({"without": run_with(0), "with": run_with(1)})

    assert [row[:2] for row in found.fills.project("run, asset_id").fetchall()] == [
        ("with", "C"),
        ("with", "C"),
    ]
    assert found.trades.project("run, asset_id").fetchall() == [("with", "C")]


def test_equal_runs_do_not_differ(store: RunStore, runs: list[BacktestResult]) -> None:
    found = Difference({"kept": store.open(id_of_run(runs[0])), "again": run_of(1)})

    assert (found.is_equal, found.first_bar, found.first_equity) == (True, None, None)
    assert found.parameters == []
    assert repr(found) == "<Difference of kept and again: none>"
    with pytest.raises(ResultError, match="of two runs, was of 1"):
        store.diff(id_of_run(runs[0]), id_of_run(runs[0]))


# -- keeping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"keep_best": 1, "by": "total_return"}, {"best"}),
        ({"keep_best": 1, "by": "total_return", "lowest": True}, {"worst"}),
        ({"untagged": True}, {"best", "middle"}),
        ({"keep_best": 1, "by": "total_return", "untagged": True}, {"best", "middle"}),
        ({"older_than": timedelta(hours=1)}, {"best", "middle", "worst"}),
        ({"older_than": datetime(2200, 1, 1, tzinfo=UTC)}, set()),
    ],
)
def test_prune_removes_what_meets_all_that_is_asked(
    store: RunStore, runs: list[BacktestResult], asked: dict[str, Any], kept: set[str]
) -> None:
    order = sorted(runs, key=lambda run: run["total_return"])
    names = dict(zip(map(id_of_run, order), ("worst", "middle", "best"), strict=True))
    worst = id_of_run(order[0])
    store.untag(worst, *store.runs().filter(f"run_id = '{worst}'").project("tags").fetchall()[0][0])

    would = store.prune(**asked, dry_run=True)
    assert len(store) == 3
    assert store.prune(**asked) == would
    assert {names[run_id] for run_id in listed_ids(store)} == kept


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "prune takes what may go"),
        ({"keep_best": 1, "by": "sharp"}, "did you mean 'sharpe'"),
        ({"keep_best": -1}, "keep_best must be a whole number"),
        ({"older_than": datetime(2024, 1, 1)}, "has no zone"),
        ({"older_than": 7}, "must be a timedelta or a datetime"),
    ],
)
def test_prune_refuses_what_it_does_not_know(
    store: RunStore, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        store.prune(**asked)
    assert len(store) == 3


def test_a_run_is_named_by_the_beginning_of_its_id(store: RunStore, tmp_path: Path) -> None:
    run_id = listed_ids(store)[0]
    out = store.export(run_id[:6], tmp_path / "out.duckdb")

    assert id_of_run(BacktestResult.open(out)) == run_id
    for wrong in ("zzz", "", "run_id=*"):
        with pytest.raises(ResultError, match="there is no run"):
            store.open(wrong)
    with pytest.raises(ResultError, match="keeps results of runs"):
        store.add(out)  # type: ignore[arg-type]
