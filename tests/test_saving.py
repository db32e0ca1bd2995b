"""Saving: whatever happens on the way, a whole run stands there, and nothing else is touched."""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from disks import fill_up, read_only, small_disk
from effort import EFFORT, each_value, long
from ml4t.backtest import BacktestResult, ResultError
from ml4t.backtest.core import workplace
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.results.keeping import paths as places
from ml4t.backtest.results.keeping import saving
from ml4t.backtest.results.tables import TABLES
from test_results import make_run, tables

SAVER = Path(__file__).parent / "killed_saver.py"
NAMES = ["run.duckdb", "run"]
# `make faults` asks for all of them.
N_KILLS = int(os.environ.get("ML4T_KILLS", "16"))


@pytest.fixture(scope="module")
def run() -> BacktestResult:
    return make_run(1)


@pytest.fixture(scope="module")
def other() -> BacktestResult:
    return make_run(2)


@pytest.fixture(scope="module")
def kept(other: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`other` saved, for savers in processes of their own."""
    return other.save(tmp_path_factory.mktemp("kept") / "other.duckdb")


SAID: dict[int, tuple[BacktestResult, dict[str, Any]]] = {}


def tables_of(run: BacktestResult) -> dict[str, Any]:
    """What a run of this module says, asked once; the run is kept, and with it its id."""
    if id(run) not in SAID:
        SAID[id(run)] = run, tables(run)
    return SAID[id(run)][1]


def is_whole(path: Path, *runs: BacktestResult) -> bool:
    """Whether one of `runs` can be opened at `path`, every row of it."""
    found = tables(BacktestResult.open(path))
    return any(found == tables_of(one) for one in runs)


def start(kept: Path, target: Path, step: int | str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SAVER), str(kept), str(target), str(step), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# -- kills ----------------------------------------------------------------------------------


@long
@pytest.mark.parametrize(
    ("before", "name", "words"),
    [
        ("run.duckdb", "run.duckdb", ()),
        ("run", "run", ()),
        ("run", "run", ("aside",)),
        (None, "run.duckdb", ()),
        (None, "run", ()),
    ],
)
def test_a_saver_killed_between_two_steps_leaves_a_whole_run_and_blocks_no_later_one(
    before: str | None, name: str, words: tuple[str, ...], run: BacktestResult,
    other: BacktestResult, kept: Path, tmp_path: Path,
) -> None:  # fmt: skip
    n_here = max(2, N_KILLS // 8)
    # The last steps are those that touch what stood there.
    steps = [i / (n_here - 1) for i in range(n_here)] + [-1 - i for i in range(1, n_here)]
    targets = {step: tmp_path / f"step {step}" / name for step in steps}
    for target in targets.values():
        target.parent.mkdir()
        if before is not None:
            run.save(target)
    killed = start(kept, tmp_path / "step {}" / name, ",".join(map(str, targets)), *words)
    ends = [line for line in killed.communicate()[0].splitlines() if line != "saving"]
    assert ends[1:] == [str(-signal.SIGKILL)] * len(targets), ends
    for step, target in targets.items():
        if before is not None:
            assert is_whole(target, run, other), step
        elif target.exists():
            assert is_whole(target, other), step
        run.save(target)
        assert is_whole(target, run), step
        assert [one.name for one in target.parent.iterdir()] == [name], step


@long
@pytest.mark.parametrize("name", NAMES)
def test_a_saver_killed_at_any_moment_leaves_a_whole_run(
    name: str, run: BacktestResult, other: BacktestResult, kept: Path, tmp_path: Path
) -> None:
    pick = random.Random(name)
    target = run.save(tmp_path / name)
    for _ in range(max(2, N_KILLS // 8)):
        killed = start(kept, target, 1_000_000)
        assert killed.stdout is not None
        killed.stdout.readline()
        time.sleep(pick.uniform(0, 0.15))
        killed.kill()
        killed.communicate()
        assert is_whole(target, run, other)
    run.save(target)
    assert is_whole(target, run)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Heed Ctrl-C: a process that a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_while_saving_leaves_the_old_run_and_nothing_beside_it(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target = run.save(tmp_path / name)

    def interrupt(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("ml4t.backtest.results.keeping.saving.sync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            other.save(target)
    assert is_whole(target, run)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_during_a_query_is_a_keyboard_interrupt() -> None:
    # With more threads DuckDB may not look for a signal until the query ends.
    database = Database(threads=1)
    database.execute("create table t as select i, hash(i) as h from range(200_000) as r(i)")
    query = "select count(*) from t as a join t as b on a.i % 10 = b.i % 10 where a.h > b.h"
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        database.rows(query)
    assert database.rows("select count(*) from t") == [(200_000,)]


@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_in_rows_on_their_way_into_a_file_is_a_keyboard_interrupt(
    name: str, run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DuckDB says then that exporting a stream failed. It is one where a database has the rows.
    assert run.sql("from duckdb_columns()").fetchall()

    def interrupted(writer: Database, view: str, rows: Any) -> None:
        if not isinstance(rows, pa.RecordBatchReader):
            return whole(writer, view, rows)  # what the run had left for whoever reads it

        def batches() -> Iterator[pa.RecordBatch]:
            raise KeyboardInterrupt
            yield

        return whole(writer, view, pa.RecordBatchReader.from_batches(rows.schema, batches()))

    whole = Database.register
    monkeypatch.setattr(Database, "register", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


class StopsAtItsSchema:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise KeyboardInterrupt


class StopsAtItsColumns(dict[str, object]):
    def keys(self) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize("source", [StopsAtItsSchema(), StopsAtItsColumns(a=np.ones(1))])
def test_ctrl_c_while_a_source_is_looked_at_is_a_keyboard_interrupt(source: object) -> None:
    with pytest.raises(KeyboardInterrupt):
        Database(threads=1).register("t", source)


def test_a_text_that_names_a_keyboard_interrupt_is_none() -> None:
    with pytest.raises(EngineError, match="KeyboardInterrupt"):
        Database().rows("select 'KeyboardInterrupt'::int")
    with pytest.raises(EngineError, match="KeyboardInterrupt"):
        Database().rows('select "KeyboardInterrupt"')


# -- no space, no permission ----------------------------------------------------------------


def assert_refused_and_untouched(run: BacktestResult, other: BacktestResult, target: Path) -> None:
    with pytest.raises(ResultError, match=r"could not be saved.*stood there is as it was"):
        other.save(target)
    assert is_whole(target, run)
    assert [one.name for one in target.parent.iterdir()] == [target.name]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of twelve megabytes, enough for two saved runs and a half."""
    with small_disk(tmp_path, "12m") as folder:
        yield folder


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_a_result_error_and_the_old_run_stays(
    name: str, run: BacktestResult, other: BacktestResult, disk: Path
) -> None:
    target = disk / name
    run.save(target)
    filler = fill_up(disk)
    with pytest.raises(ResultError, match=r"could not be saved: [^{]*No space left on device;"):
        other.save(target)
    assert is_whole(target, run)
    assert {one.name for one in disk.iterdir()} == {name, "filler"}
    filler.unlink()
    other.save(target)
    assert is_whole(target, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_grows_too_large_is_a_result_error_and_the_old_run_stays(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    target = run.save(tmp_path / name)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_048, before[1]))
    try:
        with pytest.raises(ResultError, match="could not be saved"):
            other.save(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_whole(target, run)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_cannot_be_written_is_a_result_error(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    target = run.save(tmp_path / "there" / name)
    with read_only(target.parent):
        assert_refused_and_untouched(run, other, target)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ResultError, match="could not be saved"):
        run.save(tmp_path / "file" / name)


# -- what no run wrote ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["create table runs (run_id varchar)", "create table precious as select 42 as x"],
         "the table 'precious'"),
        (["create view mine as select 1 as x"], "the view 'mine'"),
        (["create schema own", "create table own.trades as select 1 as x"], "the table 'trades'"),
        (["create macro mine(x) as x + 1"], "the function 'mine'"),
        (["create or replace table trades as select 1 as x"], "a table 'trades' without run_id"),
        (["drop table runs"], "a database without a table 'runs'"),
    ],
)  # fmt: skip
def test_a_database_that_holds_more_than_a_run_is_left_alone(
    statements: list[str], named: str, run: BacktestResult, tmp_path: Path
) -> None:
    target = tmp_path / "mine.duckdb"
    if "precious" not in statements[-1]:
        run.save(target)
    with duckdb.connect(str(target)) as connection:
        for statement in statements:
            connection.execute(statement)
    before = target.read_bytes()
    with pytest.raises(ResultError, match=f"holds {named}, which no run wrote"):
        run.save(target)
    assert target.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["mine.duckdb"]


@pytest.mark.parametrize("with_run", [True, False])
def test_a_folder_with_a_foreign_file_of_a_tables_name_is_left_alone(
    run: BacktestResult, tmp_path: Path, *, with_run: bool
) -> None:
    target = tmp_path / "run"
    if with_run:
        run.save(target)
    target.mkdir(exist_ok=True)
    pl.DataFrame({"x": [1]}).write_parquet(target / "trades.parquet")
    with pytest.raises(ResultError, match=r"holds 'trades\.parquet', which no run wrote"):
        run.save(target)
    assert pl.read_parquet(target / "trades.parquet").to_dict(as_series=False) == {"x": [1]}
    assert len(list(target.iterdir())) == (len(TABLES) + 1 if with_run else 1)


def test_checksums_that_no_run_wrote_are_left_alone(run: BacktestResult, tmp_path: Path) -> None:
    target = run.save(tmp_path / "run")
    (target / "checksums.json").write_text('{"mine": 1}')
    with pytest.raises(ResultError, match=r"holds 'checksums\.json', which no run wrote"):
        run.save(target)
    assert (target / "checksums.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by_link", [False, True])
def test_what_is_neither_a_file_nor_a_folder_stays_what_it_is(
    name: str, run: BacktestResult, tmp_path: Path, *, by_link: bool
) -> None:
    pipe = tmp_path / ("pipe" if by_link else name)
    os.mkfifo(pipe)
    if by_link:
        (tmp_path / name).symlink_to(pipe)
    with pytest.raises(ResultError, match="is neither a file nor a folder; pick another path"):
        run.save(tmp_path / name)
    with pytest.raises(ResultError, match="no saved run: it is neither a file nor a folder"):
        BacktestResult.open(tmp_path / name)
    assert pipe.is_fifo()
    assert {one.name for one in tmp_path.iterdir()} == {name, pipe.name}


def test_a_folder_is_no_column_whatever_its_name_says(run: BacktestResult, tmp_path: Path) -> None:
    # Of the id of one run in three hundred all digits are below ten.
    place = run.save(tmp_path / "run_id=245035214219")
    assert BacktestResult.open(place).run_id == run.run_id
    run.save(place)
    assert BacktestResult.open(place).run_id == run.run_id


def test_an_empty_folder_and_an_empty_file_hold_nothing_to_lose(
    run: BacktestResult, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run.duckdb").touch()
    for name in NAMES:
        assert is_whole(run.save(tmp_path / name), run)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_a_run_stays_a_link(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    real = run.save(tmp_path / "real" / name)
    link = tmp_path / name
    link.symlink_to(real)
    assert other.save(link) == link
    assert link.is_symlink()
    assert is_whole(real, other)


# -- names and rights -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "near"),
    [("run[1]", "run1"), ("q?", "qq"), ("w*z", "wAz"), ("[r]", "r"),
     ("run[1].duckdb", "run1.duckdb")],
)  # fmt: skip
def test_brackets_and_stars_in_a_name_are_no_pattern(
    name: str, near: str, run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    run.save(tmp_path / near)
    (tmp_path / "foreign").mkdir()
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "foreign" / "runs.parquet")
    # Twice: the second looks at what stands there.
    for _ in range(2):
        assert is_whole(other.save(tmp_path / name), other)
    assert is_whole(tmp_path / near, run)
    (tmp_path / "foreign").rename(tmp_path / "n[1]")
    run.save(tmp_path / "n1")
    with pytest.raises(ResultError, match=r"holds 'runs\.parquet', which no run wrote"):
        other.save(tmp_path / "n[1]")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_run_may_be_read_by_those_who_could_read_what_it_replaces(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(places, "exchange", lambda _one, _other: False)
    file, folder = run.save(tmp_path / "run.duckdb"), run.save(tmp_path / "run")
    one, another = folder / "runs.parquet", folder / "fills.parquet"
    for modes in ((0o600, 0o700, 0o600, 0o640), (0o664, 0o775, 0o664, 0o444)):
        paths = (file, folder, one, another)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)
        run.save(file)
        run.save(folder)
        assert tuple(mode_of(path) for path in paths) == modes


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_a_new_run_has_the_rights_of_any_new_file(
    mask: int, file: int, folder: int, run: BacktestResult, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        run.save(tmp_path / "run.duckdb")
        run.save(tmp_path / "run")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "run.duckdb") == file
    assert mode_of(tmp_path / "run") == folder
    assert {mode_of(one) for one in (tmp_path / "run").iterdir()} == {file}


def test_a_file_in_the_place_of_a_folder_is_no_less_private(
    run: BacktestResult, tmp_path: Path
) -> None:
    target = run.save(tmp_path / "run").rename(tmp_path / "run.duckdb")
    target.chmod(0o750)
    run.save(target)
    assert mode_of(target) == 0o640
    target.rename(tmp_path / "run")
    run.save(tmp_path / "run")
    assert mode_of(tmp_path / "run") == 0o750
    assert {mode_of(one) for one in (tmp_path / "run").iterdir()} == {0o640}


def test_what_cannot_keep_its_group_lets_the_group_do_what_all_may(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = run.save(tmp_path / "run.duckdb")
    target.chmod(0o664)
    monkeypatch.setattr(places, "_give", lambda _made, _facts: False)
    run.save(target)
    assert mode_of(target) == 0o644


@pytest.mark.parametrize("name", NAMES)
def test_what_is_being_written_is_seen_by_its_owner_alone(
    name: str, run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def put(made: Path, target: Path) -> None:
        seen.append(mode_of(made.parent))
        real(made, target)

    real = saving.put
    monkeypatch.setattr(saving, "put", put)
    run.save(tmp_path / name)
    assert seen == [0o700]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_path_begins_at_the_home_folder_as_a_source_does(
    run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run.save("~/run.duckdb") == tmp_path / "run.duckdb"
    assert tables(BacktestResult.open("~/run.duckdb")) == tables(run)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (5, "path must be that of a saved run, was 5"),
        (None, "path must be that of a saved run, was None"),
        (b"x", "path must be that of a saved run, was b'x'"),
        (" ", "path must be that of a saved run, was ' '"),
        ("a\0b", r"path must be that of a saved run, was 'a\\x00b'"),
        ("~no-such-user/r.duckdb", "path is '~no-such-user/r.duckdb', and there is no such user's"),
        ("x" * 300, "could not be saved|there is no run at"),
        ("loop/a.duckdb", "is a link that leads to itself|there is no run at"),
    ],
)
def test_a_path_of_no_run_is_refused_in_words(
    path: Any, says: str, run: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").mkdir()
    Path("loop/a.duckdb").symlink_to(tmp_path / "loop" / "b.duckdb")
    Path("loop/b.duckdb").symlink_to(tmp_path / "loop" / "a.duckdb")
    with pytest.raises(ResultError, match=says):
        run.save(path)
    with pytest.raises(ResultError, match=says):
        BacktestResult.open(path)
    assert {one.name for one in tmp_path.iterdir()} == {"loop"}
    assert {one.name for one in Path("loop").iterdir()} == {"a.duckdb", "b.duckdb"}


# -- logs of changes ------------------------------------------------------------------------

CRASH = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute(sys.argv[2])
os._exit(9)
"""


def crash(path: Path, statement: str) -> None:
    """Have another process change a database and die before the file has the change."""
    subprocess.run([sys.executable, "-c", CRASH, str(path), statement], check=False)
    assert path.with_name(f"{path.name}.wal").exists()


def test_a_log_that_another_process_left_does_not_outlive_the_file(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    target = run.save(tmp_path / "run.duckdb")
    crash(target, "create table notes (a integer)")
    other.save(target)
    assert is_whole(target, other)
    with duckdb.connect(str(target)) as connection:
        assert connection.execute("select count(*) from runs").fetchall() == [(1,)]
    assert [one.name for one in tmp_path.iterdir()] == ["run.duckdb"]


def test_what_is_in_the_log_alone_is_not_lost(run: BacktestResult, tmp_path: Path) -> None:
    target = run.save(tmp_path / "run.duckdb")
    crash(target, "create table precious as select 42 as x")
    with pytest.raises(ResultError, match="the table 'precious'"):
        run.save(target)
    with duckdb.connect(str(target)) as connection:
        assert connection.execute("select x from precious").fetchall() == [(42,)]


def test_a_log_of_another_file_does_not_make_a_run_unreadable(
    run: BacktestResult, other: BacktestResult, tmp_path: Path
) -> None:
    """A process that had the file open goes on writing its log under the name of the new one."""
    target = run.save(tmp_path / "run.duckdb")
    crash(target, "create table notes (a integer)")
    other.save(tmp_path / "new.duckdb").replace(target)
    assert is_whole(target, other)
    assert is_whole(run.save(target), run)
    target.unlink()
    (tmp_path / "run.duckdb.wal").write_text("of a file that is gone")
    assert is_whole(run.save(target), run)
    assert [one.name for one in tmp_path.iterdir()] == ["run.duckdb"]


# -- several at once ------------------------------------------------------------------------


@long
@each_value
@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_savers_and_readers_at_once_find_whole_runs(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool,
) -> None:  # fmt: skip
    if not can_exchange:
        monkeypatch.setattr(places, "exchange", lambda _one, _other: False)
    target, n_pairs = run.save(tmp_path / name), 3 if EFFORT == 1 else 5
    with ThreadPoolExecutor(4) as pool:
        saving = [pool.submit(one.save, target) for one in (run, other) * n_pairs]
        reading = [pool.submit(is_whole, target, run, other) for _ in range(2 * n_pairs)]
        assert [one.result() for one in saving] == [target] * 2 * n_pairs
        assert all(one.result() for one in reading)
    assert is_whole(target, run, other)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_saver_whose_folder_another_took_for_a_leftover_begins_again(
    name: str, run: BacktestResult, other: BacktestResult, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real, taken = workplace.lock, []

    @contextmanager
    def lock(folder: Path, *, wait: bool) -> Iterator[bool]:
        # The other one comes when the folder is there and not locked yet.
        if not wait and not taken:
            taken.append(folder)
            other.save(tmp_path / name)
            assert not folder.exists()
        with real(folder, wait=wait) as is_ours:
            yield is_ours

    monkeypatch.setattr(workplace, "lock", lock)
    run.save(tmp_path / name)
    assert len(taken) == 1
    assert is_whole(tmp_path / name, run)
    assert [one.name for one in tmp_path.iterdir()] == [name]


@long
@pytest.mark.parametrize("name", NAMES)
def test_savers_in_several_processes_block_no_later_one(
    name: str, run: BacktestResult, other: BacktestResult, kept: Path, tmp_path: Path
) -> None:
    savers = [start(kept, tmp_path / name, -1) for _ in range(3)]
    for one in savers:
        one.communicate()
        assert one.returncode == 0
    assert is_whole(tmp_path / name, other)
    assert is_whole(run.save(tmp_path / name), run)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_what_a_killed_saver_moved_aside_is_found_and_moved_back(
    run: BacktestResult, tmp_path: Path
) -> None:
    target = tmp_path / "run"
    aside = tmp_path / f".run.01234567{workplace.SUFFIX}"
    aside.mkdir()
    run.save(tmp_path / "elsewhere").rename(aside / workplace.OLD)
    assert is_whole(target, run)
    assert not target.exists()  # a reader writes nothing
    with workplace.place_beside(target) as folder:
        assert is_whole(target, run)
        assert list(tmp_path.iterdir()).count(target) == 1
        assert folder.parent == tmp_path
    assert [one.name for one in tmp_path.iterdir()] == ["run"]
