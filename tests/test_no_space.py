"""A store of runs and a workbook where nothing more can be written: in words, and as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disks import fill_up, read_only, small_disk
from ml4t.backtest import BacktestResult, ResultError, RunStore
from stored_runs import id_of_run, listed_ids, run_of, store_of
from test_results import tables


@pytest.fixture(scope="module")
def runs() -> list[BacktestResult]:
    return [run_of(1), run_of(1, every=3)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, "1m") as folder:
        yield folder


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_leaves_a_store_as_it_was(disk: Path, runs: list[BacktestResult]) -> None:
    store, new_id = store_of(disk / "store", runs[:1]), id_of_run(runs[1])
    before = listed_ids(store), files_below(store.path)
    said = list[str]()
    # Wherever the space ends: in a table, in the entry, in what is synced last.
    for free in range(0, 1_000_000, 16_384):
        filler = fill_up(disk, but=free)
        try:
            store.add(runs[1], tags=["new"])
        except ResultError as error:
            said.append(str(error))
        else:
            break
        assert (listed_ids(store), files_below(store.path)) == before
    filler.unlink()
    assert len(said) > 3
    for text in said:
        assert text.startswith(f"run '{new_id}' could not be added to '{store.path}': ")
        assert "No space left on device" in text
        assert "{" not in text
    assert tables(store.open(new_id)) == tables(runs[1])


def test_a_workbook_that_a_full_disk_ends_says_so_once(
    disk: Path, runs: list[BacktestResult], capsys: pytest.CaptureFixture[str]
) -> None:
    fill_up(disk)
    with pytest.raises(ResultError, match=r"could not be written: .*No space left on device"):
        runs[0].to_excel(disk / "run.xlsx")
    assert [path.name for path in disk.iterdir()] == ["filler"]
    assert capsys.readouterr().err == ""


CHANGES: dict[str, Callable[[RunStore, str], object]] = {
    "added to": lambda store, _one: store.add(run_of(2)),
    "tagged in": lambda store, one: store.tag(one, "new"),
    "untagged in": lambda store, one: store.untag(one, "number 0"),
    "removed from": lambda store, one: store.delete(one),
    "removed from ": lambda store, _one: store.prune(keep_best=0),
}


def test_a_store_that_cannot_be_written_is_read_and_says_so_of_every_change(
    tmp_path: Path, runs: list[BacktestResult]
) -> None:
    store = store_of(tmp_path / "store", runs)
    one = id_of_run(runs[0])
    before = files_below(store.path)  # without an index
    with read_only(store.path):
        assert sorted(listed_ids(store)) == sorted(map(id_of_run, runs))
        assert store.add(runs[0]) == one
        assert tables(store.open(one)) == tables(runs[0])
        assert store.sql("select count(distinct run_id) from trades").fetchall() == [(2,)]
        for done, change in CHANGES.items():
            with pytest.raises(ResultError, match=f"could not be {done.strip()} '{store.path}'"):
                change(store, one)
        with pytest.raises(ResultError, match="cannot be a store of runs"):
            RunStore(store.path / "new")
    assert files_below(store.path) == before
    store.delete(one)
    assert listed_ids(store) == [id_of_run(runs[1])]
