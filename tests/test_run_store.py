"""A store of runs: whole runs of many writers, one set of tables, and what differs in two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from effort import long
from ml4t.backtest import (
    BacktestResult,
    ConfigError,
    ResultError,
    RunStore,
)
from ml4t.backtest.results.run_store.folder import StoreFolder
from stored_runs import copy_of, id_of_run, listed_ids, run_of, store_of
from test_results import tables

# `make faults` asks for more.
N_ADDERS_KILLED = max(2, int(os.environ.get("ML4T_KILLS", "16")) // 8)
ADDER = Path(__file__).parent / "killed_adder.py"


@pytest.fixture(scope="module")
def runs() -> list[BacktestResult]:
    return [run_of(1), run_of(1, every=3), run_of(2)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, runs: list[BacktestResult]) -> RunStore:
    return store_of(tmp_path_factory.mktemp("whole") / "store", runs)


@pytest.fixture
def store(tmp_path: Path, whole: RunStore) -> RunStore:
    return copy_of(whole, tmp_path / "store")


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


def test_a_run_with_a_bit_that_fell_over_is_not_opened_and_whole_again_when_it_is_added(
    store: RunStore, runs: list[BacktestResult]
) -> None:
    run_id = id_of_run(runs[1])
    file = store.path / "runs" / f"run_id={run_id}" / "trades.parquet"
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(ResultError, match=r"its 'trades\.parquet' is not what was written"):
        store.open(run_id)
    assert store.add(runs[1]) == run_id
    assert tables(store.open(run_id)) == tables(runs[1])


def test_a_damaged_run_can_be_deleted(store: RunStore) -> None:
    run_id = listed_ids(store)[0]
    cut(store.path / "runs" / f"run_id={run_id}" / "equity.parquet")
    store.delete(run_id)
    assert run_id not in listed_ids(store)


@pytest.mark.parametrize("inside", ["notes.txt", "run.duckdb", "runs"])
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
    with pytest.raises(ResultError, match="a store of runs of another form"):
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


@long
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


def test_a_run_that_another_adds_or_deletes_at_the_same_time_is_no_error(
    store: RunStore, runs: list[BacktestResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tags are given all the same; what is gone already is gone."""
    first, second, third = listed_ids(store)
    with monkeypatch.context() as patch:
        patch.setattr(StoreFolder, "one", lambda _folder, _run_id: None)
        assert store.add(runs[0], tags=["at the same time"]) == first
    found = store.runs().filter(f"run_id = '{first}'").project("tags").fetchall()
    assert found == [(["at the same time", "number 0"],)]
    assert list((store.path / "writing").iterdir()) == []

    seen = StoreFolder.one(store._folder, second)
    store.delete(second)
    with monkeypatch.context() as patch:
        patch.setattr(StoreFolder, "one", lambda _folder, _run_id: seen)
        store.delete(second)
    assert listed_ids(store) == [first, third]


@long
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
