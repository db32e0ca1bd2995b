"""A store of runs: whole runs of many writers, one set of tables, and what differs in two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
    TopN,
)
from ml4t.backtest.results.run_store.difference import COMPARED, Difference
from ml4t.backtest.results.tables import TABLES
from test_results import tables
from universes import make_universe

# `make faults` asks for more.
N_ADDERS_KILLED = max(2, int(os.environ.get("ML4T_KILLS", "16")) // 8)
ADDER = Path(__file__).parent / "killed_adder.py"


def run_of(seed: int = 1, *, every: int = 2, n_bars: int = 8) -> BacktestResult:
    universe = make_universe(seed, n_bars=n_bars)
    catalog = Catalog()
    catalog.register("prices", universe.prices).register("features", universe.features)
    return BacktestEngine(catalog, TopN(2, by="score", every=every)).run()


def id_of_run(run: BacktestResult) -> str:
    return str(run.sql("select run_id from runs").fetchall()[0][0])


@pytest.fixture(scope="module")
def runs() -> list[BacktestResult]:
    return [run_of(1), run_of(1, every=3), run_of(2)]


@pytest.fixture
def store(tmp_path: Path, runs: list[BacktestResult]) -> RunStore:
    store = RunStore(tmp_path / "store")
    for number, run in enumerate(runs):
        store.add(run, tags=[f"number {number}"])
    return store


def listed_ids(store: RunStore) -> list[str]:
    return [run_id for (run_id,) in store.runs().project("run_id").fetchall()]


def files_of(store: RunStore) -> set[str]:
    return {path.name for path in store.path.rglob("*") if path.is_file()}


# -- adding and listing ---------------------------------------------------------------------


def test_a_run_that_was_added_is_opened_as_it_was(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    for run in runs:
        assert tables(store.open(id_of_run(run))) == tables(run)
    assert len(store) == 3
    assert id_of_run(runs[0]) in store
    assert "0" * 12 not in store


def test_an_equal_run_is_kept_once_and_gives_its_tags(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    before = store.runs().fetchall()
    again = store.add(run_of(1), tags=["again"])

    assert again == id_of_run(runs[0])
    assert len(store) == 3
    assert [row[:2] for row in store.runs().fetchall()] == [row[:2] for row in before]
    assert store.runs().filter(f"run_id = '{again}'").project("tags").fetchall() == [
        (["again", "number 0"],)
    ]


def test_a_list_has_metrics_tags_and_parameters(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    found = store.runs()
    names = found.columns
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    assert [row["run_id"] for row in rows] == list(map(id_of_run, runs))
    for row, run, number in zip(rows, runs, range(3), strict=True):
        assert {name: row[name] for name in run} == dict(run)
        assert row["tags"] == [f"number {number}"]
        assert row["problem"] is None
        assert abs(datetime.now(UTC) - row["created_at"]) < timedelta(minutes=5)
    assert [row["parameters"]["strategy.every"] for row in rows] == ["2", "3", "2"]
    assert rows[0]["strategy"] == rows[0]["parameters"]["strategy"]


def test_tags_are_given_and_taken_whatever_they_hold(store: RunStore) -> None:
    run_id = listed_ids(store)[0]
    words = ["a/b", "..", "Größe 10%", "*"]
    store.tag(run_id, *words)
    store.untag(run_id, "number 0", "a/b", "never given")

    (found,) = store.runs().filter(f"run_id = '{run_id}'").project("tags").fetchall()[0]
    assert sorted(found) == sorted(words[1:])
    for wrong in ("", " ", "x" * 300, 7):
        with pytest.raises(ConfigError, match="a tag must be a text"):
            store.tag(run_id, wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"write \['sweep'\]"):
        store.add(store.open(run_id), tags="sweep")


def test_an_empty_store_lists_nothing(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "deep" / "empty")

    assert store.runs().fetchall() == []
    assert {"run_id", "created_at", "tags", "strategy", "parameters", "problem"} == {
        *store.runs().columns
    }
    assert (len(store), repr(store).endswith("0 runs>")) == (0, True)


# -- the index ------------------------------------------------------------------------------


def spoil(path: Path) -> None:
    path.write_bytes(b"no parquet")


def older(path: Path) -> None:
    duckdb.sql("select 'x' as run_id, 1::bigint as written_ns").write_parquet(str(path))


@pytest.mark.parametrize("harm", [Path.unlink, spoil, older])
def test_an_index_that_is_missing_damaged_or_older_is_made_again(
    store: RunStore, harm: Callable[[Path], None]
) -> None:
    before = store.runs().fetchall()
    index = store.path / "index.parquet"
    made = index.read_bytes()
    harm(index)

    assert store.runs().fetchall() == before
    assert len(index.read_bytes()) == len(made)


def test_an_index_knows_what_was_added_and_deleted_since(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    first, second, third = listed_ids(store)
    store.delete(second)
    assert listed_ids(store) == [first, third]

    store.add(runs[1])
    assert listed_ids(store) == [first, third, second]
    assert store.runs().filter(f"run_id = '{second}'").project("tags").fetchall() == [([],)]


# -- damage and strangers -------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("file", "harm", "word"),
    [
        ("trades.parquet", cut, "its 'trades.parquet' has"),
        ("trades.parquet", Path.unlink, "it has no 'trades.parquet'"),
        ("metrics.parquet", Path.unlink, "it has no 'metrics.parquet'"),
        ("metrics.parquet", spoil, "its 'metrics.parquet' cannot be read"),
    ],
)
def test_a_damaged_run_is_named_and_left_out_and_is_whole_again_when_it_is_added(
    store: RunStore, runs: list[BacktestResult], file: str, harm: Callable[[Path], None], word: str
) -> None:
    run_id = id_of_run(runs[1])
    (store.path / "index.parquet").unlink(missing_ok=True)
    harm(store.path / "runs" / f"run_id={run_id}" / file)

    problems = dict(store.runs().project("run_id, problem").fetchall())
    assert [one for one, problem in problems.items() if problem] == [run_id]
    assert problems[run_id].startswith(word)
    with pytest.warns(UserWarning, match=f"run '{run_id}' is left out: {word}"):
        found = store.sql("select distinct run_id from trades order by 1").fetchall()
    assert found == sorted((id_of_run(run),) for run in (runs[0], runs[2]))
    assert store.prune(keep_best=0, dry_run=True) == sorted(one for (one,) in found)

    store.add(runs[1])
    assert tables(store.open(run_id)) == tables(runs[1])
    assert store.runs().filter("problem is not null").fetchall() == []


def test_a_damaged_run_can_be_deleted(store: RunStore) -> None:
    run_id = listed_ids(store)[0]
    cut(store.path / "runs" / f"run_id={run_id}" / "equity.parquet")
    store.delete(run_id)
    assert run_id not in listed_ids(store)


@pytest.mark.parametrize("inside", ["notes.txt", "run.duckdb"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(
    tmp_path: Path, inside: str
) -> None:
    (tmp_path / inside).write_text("mine", encoding="utf-8")
    with pytest.raises(ResultError, match=f"holds '{inside}' and is no store of runs"):
        RunStore(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [inside]


def test_a_file_and_a_store_of_another_form_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(ResultError, match="is no folder"):
        RunStore(tmp_path / "file")
    store = RunStore(tmp_path / "newer")
    (store.path / "store.json").write_text('{"form": "x", "version": 2}', encoding="utf-8")
    with pytest.raises(ResultError, match="a store of another form"):
        RunStore(tmp_path / "newer")
    with pytest.raises(ResultError, match="that of a store of runs"):
        RunStore("")


# -- many writers ---------------------------------------------------------------------------


def start(store: Path, step: int, *runs: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ADDER), str(store), str(step), *map(str, runs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def kept(runs: list[BacktestResult], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("kept")
    return [run.save(folder / str(number)) for number, run in enumerate(runs)]


def test_two_processes_add_at_once(
    tmp_path: Path, kept: list[Path], runs: list[BacktestResult]
) -> None:
    """Both add all of the same runs, in opposite orders, to a store that neither finds there."""
    folder = tmp_path / "store"
    adders = [start(folder, -1, *kept), start(folder, -1, *reversed(kept))]
    assert [adder.communicate(timeout=120)[0].split()[1] for adder in adders] == [
        id_of_run(runs[0]),
        id_of_run(runs[2]),
    ]
    assert [adder.returncode for adder in adders] == [0, 0]

    store = RunStore(folder)
    assert sorted(listed_ids(store)) == sorted(map(id_of_run, runs))
    for run in runs:
        assert tables(store.open(id_of_run(run))) == tables(run)
    assert list((folder / "writing").iterdir()) == []


def test_a_killed_writer_leaves_nothing_that_is_listed(
    tmp_path: Path, kept: list[Path], runs: list[BacktestResult]
) -> None:
    RunStore(tmp_path / "whole")
    whole = start(tmp_path / "whole", -1, kept[0])
    n_lines = int(whole.communicate(timeout=60)[0].split()[0])
    seen = set()
    for step in (n_lines - 1 - n * n_lines // N_ADDERS_KILLED for n in range(N_ADDERS_KILLED)):
        folder = tmp_path / f"killed_{step}"
        store = RunStore(folder)
        killed = start(folder, step, kept[0])
        killed.communicate(timeout=60)
        assert killed.returncode == -9
        found = listed_ids(store)
        seen.add(len(found))
        if found:
            assert tables(store.open(found[0])) == tables(runs[0])
        store.add(runs[1])
        assert store.runs().filter("problem is not null").fetchall() == []
        assert list((folder / "writing").iterdir()) == []
    assert 0 in seen


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
