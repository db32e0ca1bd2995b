"""Prepared data: kept once, read by every later run, never trusted when they are not whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from disks import fill_up, read_only, small_disk
from effort import examples
from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    PreparedStore,
    TopN,
)
from ml4t.backtest.cli import app
from ml4t.backtest.core.workplace import lock
from ml4t.backtest.data.prepared_store.answers import facts_of
from ml4t.backtest.data.prepared_store.digests import files_text, frame_digest, is_settled
from ml4t.backtest.data.prepared_store.packs import (
    DamagedError,
    Kept,
    UnkeptError,
    encoded,
    read_pack,
    write_pack,
)
from ml4t.backtest.data.sources.source import Source
from money import engine_run, money_case, sources_of
from prepared_runs import asks_duckdb, catalog_on, run_of_catalog, run_on
from test_results import tables as all_of
from universes import make_universe

RUNS = Path(__file__).parent / "prepared_runs.py"


def files_in(folder: Path, seed: int = 1, n_bars: int = 12) -> Path:
    universe = make_universe(seed, n_bars=n_bars)
    folder.mkdir(exist_ok=True)
    universe.prices.write_parquet(folder / "prices.parquet")
    universe.features.write_parquet(folder / "features.parquet")
    return folder


def tables(run: BacktestResult) -> dict[str, Any]:
    """All tables of a run, but for when it was made."""
    return all_of(run, facts=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files_in(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def plain(data: Path) -> BacktestResult:
    return run_on(data)


def kept_in(store: Path) -> list[Path]:
    return sorted(store.rglob("*.pack"))


# -- runs -----------------------------------------------------------------------------------


def test_a_run_from_the_store_is_the_run_without_it(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    for threads in (1, 2, 1):
        run = run_on(data, tmp_path / "store", threads=threads)
        assert (run.run_id, tables(run)) == (plain.run_id, tables(plain))


def test_the_second_run_opens_no_source(data: Path, tmp_path: Path) -> None:
    opened = []
    for _ in range(2):
        catalog = catalog_on(data, tmp_path / "store")
        run_of_catalog(catalog)
        opened.append(asks_duckdb(catalog))
    assert opened == [True, False]


def test_a_run_in_another_process_opens_no_source(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    run_on(data, tmp_path / "store")
    ((code, _, run_id, opened),) = runs_in_processes(data, tmp_path / "store", -1)
    assert (code, run_id, opened) == ("0", plain.run_id, "False")


def test_another_strategy_finds_what_both_ask_and_adds_the_rest(data: Path, tmp_path: Path) -> None:
    run_on(data, tmp_path / "store")
    n_files = len(kept_in(tmp_path / "store"))
    other = run_on(data, tmp_path / "store", n=3)
    assert tables(other) == tables(run_on(data, n=3))
    assert len(kept_in(tmp_path / "store")) > n_files
    catalog = catalog_on(data, tmp_path / "store")
    run_of_catalog(catalog, 3)
    assert not asks_duckdb(catalog)


@pytest.mark.parametrize("seed", range(examples(4)))
def test_the_tables_of_random_markets_are_the_same_from_the_store(
    seed: int, tmp_path: Path
) -> None:
    universe, options = money_case(seed)
    sources = sources_of(universe, options, tmp_path / "data")
    found = []
    for settings in (
        {},
        {"cache": tmp_path / "store"},
        {"cache": tmp_path / "store", "threads": 2},
    ):
        catalog = Catalog(**{"threads": 1, "timezone": universe.timezone or "UTC", **settings})
        for role, source in sources.items():
            catalog.register(role, source, lag=universe.lags.get(role))
        run = engine_run(universe, options, catalog=catalog)
        found.append((run.run_id, tables(run)))
    assert found[0] == found[1] == found[2]


def test_what_was_prepared_before_any_run_is_not_read_by_one(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    assert catalog_on(data).prepare(tmp_path / "store").is_validated
    catalog = catalog_on(data, tmp_path / "store")
    catalog.validate(["open", "close"])
    assert not asks_duckdb(catalog)
    assert tables(run_on(data, tmp_path / "store")) == tables(plain)


def test_a_context_given_to_an_engine_is_kept_too(data: Path, tmp_path: Path) -> None:
    context = {datetime(2000, 1, 1): {"vix": 10.0}}
    found = []
    for cache in (None, tmp_path / "store", tmp_path / "store"):
        strategy = TopN(2, by="score", when="vix < 20")
        engine = BacktestEngine(catalog_on(data, cache), strategy, context_data=context)
        run = engine.run()
        found.append((run.run_id, tables(run), asks_duckdb(engine.catalog)))
    assert found[0] == found[1] == (*found[2][:2], True)
    assert not found[2][2]


def test_sql_and_views_are_as_without_a_store(data: Path, tmp_path: Path) -> None:
    run_on(data, tmp_path / "store")
    catalog = catalog_on(data, tmp_path / "store")
    query = "select * from signals order by timestamp, asset_id"
    assert catalog.sql(query).fetchall() == catalog_on(data).sql(query).fetchall()
    assert catalog.describe() == catalog_on(data).describe()
    assert str(catalog.checks()) == str(catalog_on(data).checks())


# -- what it depends on ---------------------------------------------------------------------


def test_changed_files_are_noticed_and_prepared_anew(tmp_path: Path) -> None:
    folder, store = files_in(tmp_path / "data"), PreparedStore(tmp_path / "store")
    run_on(folder, store)
    facts = (folder / "prices.parquet").stat()
    files_in(folder, seed=2)
    # Not even a program that sets the time back is believed.
    os.utime(folder / "prices.parquet", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.warns(UserWarning, match=r"source 'prices' has changed since; they are made anew"):
        assert tables(run_on(folder, store)) == tables(run_on(folder))
    assert [one.is_stale for one in store.kept()] == [False]


@pytest.mark.parametrize(
    "options", [{"lag": "1 day"}, {"max_age": "2 days"}, {"on_bad_rows": "drop"}], ids=str
)
def test_how_a_source_is_registered_decides_too(
    options: dict[str, str], data: Path, tmp_path: Path
) -> None:
    run_on(data, tmp_path / "store")
    found = []
    for cache in (None, tmp_path / "store"):
        catalog = Catalog(cache=cache).register("prices", data / "prices.parquet")
        catalog.register("features", data / "features.parquet", **options)
        found.append(tables(run_of_catalog(catalog)))
    assert found[0] == found[1]


def test_a_change_within_a_whole_second_is_not_missed(data: Path) -> None:
    def text(changed_ns: int) -> str:
        return json.dumps([["a.parquet", 1, 0, changed_ns, 1, 1]])

    now = 10**18 + 5 * 10**8
    assert not is_settled(text(10**18), now)  # of a disk with whole seconds, in this one
    assert is_settled(text(10**18 - 3 * 10**9), now)
    assert is_settled(text(10**18 + 1), now)
    source = Source(role="prices", name="prices", given=data / "prices.parquet")
    assert (
        json.loads(files_text(source) or "")[0][3] == (data / "prices.parquet").stat().st_ctime_ns
    )


def test_frames_are_known_by_their_content(tmp_path: Path) -> None:
    universe, found = make_universe(3, n_bars=10), []
    for cache in (None, tmp_path / "store", tmp_path / "store"):
        catalog = Catalog(cache=cache).register("prices", universe.prices.clone())
        catalog.register("features", universe.features.to_pandas())
        run = BacktestEngine(catalog, TopN(2, by="score")).run()
        found.append((tables(run), asks_duckdb(catalog)))
    assert [opened for _, opened in found] == [True, True, False]
    assert found[0][0] == found[1][0] == found[2][0]
    assert [one.sources for one in PreparedStore(tmp_path / "store").kept()] == [
        ("prices", "features")
    ]


def test_a_query_as_a_source_is_not_kept_and_that_is_said(data: Path, tmp_path: Path) -> None:
    catalog = Catalog(cache=tmp_path / "store")
    catalog.register("prices", f"select * from read_parquet('{data / 'prices.parquet'}')")
    catalog.register("features", data / "features.parquet")
    with pytest.warns(
        UserWarning, match=r"not kept: whether 'prices' has changed .* to a Parquet file"
    ):
        BacktestEngine(catalog, TopN(2, by="score")).run()
    assert PreparedStore(tmp_path / "store").kept() == []
    with pytest.raises(ConfigError, match="not kept: whether 'prices'"):
        catalog.prepare(tmp_path / "store")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": np.array([1, 2])}, {"a": np.array([1.0, 2.0])}),
        ({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, 0.0])}),
        (pa.table({"a": ["x", None]}), pa.table({"a": ["x", ""]})),
        (pl.DataFrame({"a": [1]}).to_arrow(), pl.DataFrame({"b": [1]}).to_arrow()),
        (
            pl.DataFrame({"a": ["x"]}).to_pandas(),
            pl.DataFrame({"a": ["x"]}).to_pandas().astype("category"),
        ),
    ],
)
def test_other_rows_have_another_digest(one: Any, other: Any) -> None:
    assert frame_digest(one) == frame_digest(one)
    assert frame_digest(one) != frame_digest(other)


# -- damage ---------------------------------------------------------------------------------


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[:-7])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "other":
        path.write_bytes(b"PAR1" + bytes(200))
    else:
        data[{"head": 60, "end": len(data) - 1}[how]] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "empty", "other", "head", "end"])
def test_a_damaged_file_is_noticed_and_made_anew(
    how: str, data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    run_on(data, store)
    for path in kept_in(store):
        damage(path, how)
    with pytest.warns(UserWarning, match=r"prepared data '.*pack' are damaged: .*made anew"):
        run = run_on(data, store)
    assert tables(run) == tables(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tables(run_on(data, store)) == tables(plain)


def lengthened(path: Path) -> None:
    """Have a pack say that its head is longer than any memory."""
    data = bytearray(path.read_bytes())
    data[8:16] = (1 << 39).to_bytes(8, "little")
    path.write_bytes(data)


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN = {
    "*.pack": [lengthened, made_a_folder],
    "checked.json": [lambda path: path.write_text("[" * 100_000)],
    "about.json": [
        lambda path: path.write_text('{"made": "x"}'),
        lambda path: path.write_text('{"files": {"prices": 5}, "paths": []}'),
        lambda path: path.write_text('{"files": {"prices": "[1]"}}'),
        lambda path: path.write_text("[]"),
    ],
}


def test_no_file_of_a_store_ends_a_run_whatever_is_in_it(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    run_on(data, tmp_path / "whole")
    for k, (name, change) in enumerate((n, one) for n, all_ in BROKEN.items() for one in all_):
        store = shutil.copytree(tmp_path / "whole", tmp_path / str(k))
        for path in [*store.rglob(name)]:
            change(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert tables(run_on(data, store)) == tables(plain)
        call("cache", "ls", store)


def test_a_pack_has_what_was_put_in_it(tmp_path: Path) -> None:
    rows = [
        (1, 2.5, float("inf"), "x", None, True, date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, 6)),
        (Decimal("1.20"), timedelta(1, 2, 3), [1, [2]], (3,), {"a": {1: None}}, -0.0, "", 10**30),
    ]
    arrays = {
        "floats": np.arange(20_000.0).reshape(100, 200),
        "flags": np.array([True, False]),
        "times": np.array(["2024-01-02", "NaT"], dtype="datetime64[us]"),
        "texts": np.array([["x", None], ["x", "y"]], dtype=object),
        "none": np.empty((0, 3)),
    }
    path = tmp_path / "pack"
    kept = {"r": Kept(rows=rows, names=("a",)), "a": Kept(arrays=arrays), "done": Kept()}
    write_pack(path, {digest: encoded(one) for digest, one in kept.items()})
    found = read_pack(path, is_checked=False)
    assert list(found) == list(kept)
    assert repr(found["r"]) == repr(kept["r"])
    assert found["done"] == Kept()
    assert found["a"].arrays is not None
    for name, array in arrays.items():
        np.testing.assert_array_equal(found["a"].arrays[name], array)
        assert found["a"].arrays[name].dtype == array.dtype
    with pytest.raises(ValueError, match="read-only"):
        found["a"].arrays["floats"][0, 0] = 1.0


def test_what_would_not_come_back_as_it_is_is_not_kept() -> None:
    for answer in (
        Kept(rows=[(b"x",)]),
        Kept(rows=[(np.float64(1),)]),
        Kept(arrays={"a": np.array([1, "x"], dtype=object)}),
        Kept(arrays={"a": np.ma.array([1.0], mask=[True])}),
    ):
        with pytest.raises(UnkeptError):
            encoded(answer)


def test_a_pack_that_was_checked_before_is_not_read_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    write_pack(path, {"a": encoded(Kept(arrays={"x": np.zeros(100_000)}))})
    damage(path, "end")
    assert read_pack(path, is_checked=True)
    with pytest.raises(DamagedError, match="its arrays are not what was written"):
        read_pack(path, is_checked=False)


def test_a_pack_that_was_changed_and_says_its_old_time_is_another(tmp_path: Path) -> None:
    path = tmp_path / "pack"
    write_pack(path, {"a": encoded(Kept(arrays={"x": np.zeros(100_000)}))})
    before, facts = path.stat(), facts_of(path)
    damage(path, "end")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert facts_of(path) != facts


# -- who else uses it -----------------------------------------------------------------------


def runs_in_processes(data: Path, store: Path, *words: int | str) -> list[list[str]]:
    """Run in other processes, see `prepared_runs`; return what each printed."""
    command = map(str, (sys.executable, RUNS, data, store, *words))
    done = subprocess.run([*command], capture_output=True, text=True, timeout=100, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_two_builders_at_once_leave_one_whole_store(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    found = runs_in_processes(data, store, "at-once", -1, -1)
    assert [(code, run_id) for code, _, run_id, _ in found] == [("0", plain.run_id)] * 2
    assert len(PreparedStore(store).kept()) == 1
    catalog = catalog_on(data, store)
    assert tables(run_of_catalog(catalog)) == tables(plain)
    assert not asks_duckdb(catalog)
    assert list((store / "writing").iterdir()) == []


def test_a_killed_builder_leaves_nothing_that_is_taken_for_whole(
    data: Path, plain: BacktestResult, tmp_path: Path
) -> None:
    n_lines = int(runs_in_processes(data, tmp_path / "whole", -1)[0][1])
    n_killed = examples(3)
    steps = [n_lines - 2 - n * n_lines // (2 * n_killed) for n in range(n_killed)]
    assert runs_in_processes(data, tmp_path / "{}", *steps) == [["-9"]] * n_killed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in steps:
            store = tmp_path / str(step)
            assert tables(run_on(data, store)) == tables(plain)
            assert list((store / "writing").iterdir()) == []


def test_what_is_in_use_is_not_removed(data: Path, tmp_path: Path) -> None:
    store = PreparedStore(tmp_path / "store")
    run_on(data, store)
    (one,) = store.kept()
    with lock(one.path, wait=False, is_shared=True):
        assert store.clear() == []
    assert [gone.key for gone in store.clear()] == [one.key]
    assert store.kept() == []


def test_nothing_to_write_on_ends_no_run(data: Path, plain: BacktestResult, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_on(data, store)
    with read_only(store):
        catalog = catalog_on(data, store)
        run_of_catalog(catalog)
        assert not asks_duckdb(catalog)
        with pytest.warns(UserWarning, match=r"could not be kept in '.*': .*[Rr]ead-only|denied"):
            other = run_on(data, store, n=3)
    assert tables(other) == tables(run_on(data, n=3))


def test_a_full_disk_ends_no_run(data: Path, plain: BacktestResult, tmp_path: Path) -> None:
    with small_disk(tmp_path, "1m") as disk:
        fill_up(disk)
        with pytest.warns(UserWarning, match=r"could not be kept in .*No space left"):
            assert tables(run_on(data, disk / "store")) == tables(plain)
        with pytest.raises(ConfigError, match=r"could not be kept in .*No space left"):
            catalog_on(data).prepare(disk / "store")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds 'notes.txt' and is no store of prepared data"):
        Catalog(cache=tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        Catalog(cache=tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="max_age must not be below 0"):
        PreparedStore(tmp_path / "new", max_age=timedelta(days=-1))


@pytest.mark.parametrize("marker", [None, '{"form": "my own"}', "x"])
def test_folders_that_are_called_as_ours_are_no_store(marker: str | None, tmp_path: Path) -> None:
    (tmp_path / "sources" / "thesis").mkdir(parents=True)
    if marker is not None:
        (tmp_path / "prepared.json").write_text(marker)
    with pytest.raises(ConfigError, match="store of prepared data"):
        Catalog(cache=tmp_path)


def test_a_damaged_marker_is_refused_with_what_to_write_into_it(data: Path, tmp_path: Path) -> None:
    run_on(data, tmp_path / "store")
    marker = tmp_path / "store" / "prepared.json"
    whole = marker.read_text()
    marker.write_text("")
    with pytest.raises(
        ConfigError, match=r"'prepared.json' is damaged, .*; if it is one, write"
    ) as e:
        Catalog(cache=tmp_path / "store")
    said = re.search(r"write (\{.*\}) into that", str(e.value))
    assert said is not None
    assert json.loads(said[1]) == json.loads(whole)


def test_what_is_not_ours_in_a_store_stays(data: Path, tmp_path: Path) -> None:
    store = PreparedStore(tmp_path / "store")
    run_on(data, store)
    (store.path / "sources" / "thesis").mkdir()
    assert (len(store.kept()), len(store.clear())) == (1, 1)
    assert [one.name for one in (store.path / "sources").iterdir()] == ["thesis"]


# -- limits ---------------------------------------------------------------------------------


def test_beyond_the_limits_the_least_recently_used_goes(data: Path, tmp_path: Path) -> None:
    store = PreparedStore(tmp_path / "store")
    for n_bars in (10, 12, 14):
        run_on(files_in(tmp_path / f"data{n_bars}", n_bars=n_bars), store)
    kept = store.kept()
    assert [one.n_bars for one in kept] == [14, 12, 10]
    sizes = [one.n_bytes for one in kept]
    assert [one.n_bars for one in store.clear(down_to=sizes[0] + sizes[1])] == [10]
    long_ago = (datetime.now() - timedelta(days=9)).timestamp()
    os.utime(kept[1].path / "about.json", (long_ago, long_ago))
    assert [one.n_bars for one in store.clear(older_than=timedelta(days=8))] == [12]
    run_on(tmp_path / "data10", PreparedStore(tmp_path / "store", max_bytes=sizes[0]))
    assert [one.n_bars for one in store.kept()] == [10]


def test_a_list_says_what_is_kept(data: Path, tmp_path: Path) -> None:
    store = PreparedStore(tmp_path / "store")
    run_on(data, store)
    (one,) = store.kept()
    assert (one.sources, one.n_bars, one.is_stale) == (("prices", "features"), 12, False)
    assert one.n_bytes == sum(path.stat().st_size for path in one.path.iterdir())
    assert one.made <= one.used
    assert json.loads((store.path / "prepared.json").read_text())["form"].startswith("ml4t")


def written_again(path: Path) -> None:
    """Write a file anew, of the size and the time that it had."""
    facts = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [written_again, Path.unlink, lambda path: shutil.copy(path, path.with_stem("features2"))],
)
def test_a_list_calls_stale_what_no_run_would_find(change: Any, tmp_path: Path) -> None:
    store, folder = PreparedStore(tmp_path / "store"), files_in(tmp_path / "data")
    catalog = Catalog(cache=store)
    for role in ("prices", "features"):
        catalog.register(role, folder / f"{role}*.parquet")
    run_of_catalog(catalog)
    assert [one.is_stale for one in store.kept()] == [False]
    change(folder / "features.parquet")
    assert [one.is_stale for one in store.kept()] == [True]


def test_what_was_kept_of_sources_alone_goes_with_age(data: Path, tmp_path: Path) -> None:
    store = PreparedStore(tmp_path / "store")
    run_on(data, store)
    packs = [*(store.path / "registered").glob("*.pack")]
    long_ago = (datetime.now() - timedelta(days=9)).timestamp()
    os.utime(packs[0], (long_ago, long_ago))
    store.clear(older_than=timedelta(days=8))
    assert [*(store.path / "registered").glob("*.pack")] == packs[1:]


# -- command line and run file --------------------------------------------------------------


def call(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_the_command_line_lists_and_clears(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_on(data, store)
    (one,) = json.loads(call("cache", "ls", store, "--json"))["prepared"]
    assert (one["sources"], one["n_bars"]) == (["prices", "features"], 12)
    assert re.search(rf"{one['key'][:12]}.*prices, features +12 ", call("cache", "ls", store))
    assert call("cache", "clear", store, "--older-than", 1) == "nothing to remove\n"
    assert call("cache", "clear", store, "--down-to", "1GB") == "nothing to remove\n"
    done = CliRunner().invoke(app, ["cache", "clear", str(store), "--older-than", "-1"])
    assert (done.exit_code, "older_than must not be below 0" in done.stderr) == (1, True)
    (gone,) = json.loads(call("cache", "clear", store, "--down-to", "1.5kB", "--json"))["prepared"]
    assert gone["key"] == one["key"]
    assert json.loads(call("cache", "ls", store, "--json"))["prepared"] == []


def test_the_command_line_says_what_is_gone(data: Path, tmp_path: Path) -> None:
    run_on(data, tmp_path / "store")
    assert re.search(r"removed 1, [\d,]+ bytes\n$", call("cache", "clear", tmp_path / "store"))


def test_the_command_line_clears_no_other_folder(data: Path) -> None:
    done = CliRunner().invoke(app, ["cache", "clear", str(data)])
    assert (done.exit_code, len([*data.iterdir()])) == (1, 2)
    assert "is no store of prepared data" in done.stderr


def test_a_run_file_names_its_folder(data: Path, tmp_path: Path) -> None:
    sources = "".join(
        f"[sources.{role}]\npath = '{data / role}.parquet'\n" for role in ("prices", "features")
    )
    text = f'{sources}[strategy]\nkind = "TopN"\nn = 2\nby = "score"\n[run]\ncache = "mine"\n'
    (tmp_path / "run.toml").write_text(text)
    call("run", tmp_path / "run.toml")
    assert len(PreparedStore(tmp_path / "mine").kept()) == 1
    call("run", tmp_path / "run.toml", "--cache", tmp_path / "other")
    assert len(PreparedStore(tmp_path / "other").kept()) == 1
