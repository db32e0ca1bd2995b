"""Sources in an object store: as local files are, and with nothing of who asks written down.

Needs moto, a server of S3 on this machine, and the extra `s3`: `make test-s3` has both.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_forms import table
from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    DataError,
    PreparedStore,
    TopN,
)
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.data.sources.source import Source
from ml4t.backtest.results.tables import TABLES
from object_server import KEY, SECRET, ObjectServer, object_server
from prepared_runs import asks_duckdb
from universes import make_universe

# What a run says of itself, and not of what it did.
FACTS = "run_id, started_at, finished_at, sources"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "data.md"


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, server: ObjectServer) -> Path:
    """Prices below folders of their years, and features, here and in the store."""
    folder = tmp_path_factory.mktemp("data")
    universe = make_universe(1, n_bars=12)
    prices = universe.prices.with_columns(half=pl.col("timestamp").dt.day() // 10)
    for (half,), part in prices.group_by("half"):
        (folder / "prices" / f"half={half}").mkdir(parents=True)
        part.drop("half").write_parquet(folder / "prices" / f"half={half}" / "a.parquet")
    universe.features.write_parquet(folder / "features.parquet")
    server.put_folder(folder, "data")
    return folder


def catalog_of(prices: object, features: object, **options: Any) -> Catalog:
    return Catalog(**options).register("prices", prices).register("features", features)


def run_of(catalog: Catalog) -> BacktestResult:
    return BacktestEngine(catalog, TopN(2, by="score", every=2)).run()


def tables(run: BacktestResult) -> dict[str, Any]:
    """Columns, types and rows of every table, but for what names the run and its sources."""
    found = {}
    for name in TABLES:
        left = FACTS if name == "runs" else "run_id"
        rows = run.sql(f"select * exclude ({left}) from {name}")
        found[name] = rows.columns, [str(kind) for kind in rows.types], rows.fetchall()
    return found


def parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    return sink.getvalue().to_pybytes()


def refused(source: object) -> DataError:
    with pytest.raises(DataError) as caught:
        Catalog().register("prices", source).validate()
    return caught.value


# -- what a URL stands for -----------------------------------------------------------------------

TREE = (
    "a.parquet", "b/a.parquet", "b/b.parquet", "b/E.PQ", "b/readme.txt", "b/c/d.parquet",
    "b/c/.hidden.parquet", ".h/x.parquet", "b/x[1].parquet", "b/year=2024/x.parquet",
    "b/Ticker=BRK%2FB/0.parquet",
    "b/sp ace+&#'é.parquet", "bb/b.parquet",
)  # fmt: skip
PATTERNS = (
    "", "/", "a.parquet", "b", "b/", "b/c", "*.parquet", "b/*.parquet", "b/*", "b/**/*.parquet",
    "**", "*", "b/?.parquet", "b/[a-c].parquet", "b/[!b].parquet", "b/x[1].parquet",
    "b/year=*/x.parquet",
    "*/*.parquet", "b/c/.*.parquet", "b/**/x.parquet", "b*/b.parquet", ".h/*", "b/Ticker=BRK%2FB",
    "b/sp*",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, server: ObjectServer) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    server.put_folder(folder, "tree")
    # As a console makes a folder.
    server.put("tree/b/", b"")
    return folder


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_stands_for_the_objects_that_it_would_stand_for_on_a_disk(
    pattern: str, tree: Path
) -> None:
    local = Source(role="prices", name="prices", given=f"{tree}/{pattern}").files()
    found = Source(role="prices", name="prices", given=f"s3://data/tree/{pattern}").objects()
    expected = sorted(path.relative_to(tree).as_posix() for path in local)
    assert [one.url.removeprefix("s3://data/tree/") for one in found] == expected
    assert expected
    assert [one.n_bytes for one in found] == [len(name.encode()) for name in expected]


def test_objects_are_read_whatever_is_in_their_names(server: ObjectServer) -> None:
    names = [name for name in TREE if name.endswith("parquet") and "/." not in f"/{name}"]
    rows = table()
    for i, name in enumerate(names):
        server.put(f"names/{name}", parquet(rows.slice(i, 1)))
    found = Catalog().register("prices", "s3://data/names/").sql("select count(*) from prices")
    assert found.fetchall() == [(len(names),)]


# -- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_on_objects_is_the_run_on_the_same_files(data: Path, threads: int) -> None:
    local = run_of(catalog_of(data / "prices", data / "features.parquet", threads=threads))
    urls = ["s3://data/data/prices", "s3://data/data/prices/*/*.parquet",
            [f"s3://data/data/prices/half={i}/a.parquet" for i in (0, 1)]]  # fmt: skip
    runs = [run_of(catalog_of(url, "s3://data/data/*.parquet", threads=threads)) for url in urls]
    for run in runs:
        assert tables(run) == tables(local)
        assert run.run_id == runs[0].run_id != local.run_id


def test_a_run_on_a_web_server_is_the_run_on_the_same_files(server: ObjectServer) -> None:
    content = parquet(table())
    server.put("public/a b.parquet", content, ACL="public-read")
    urls = [f"{server.address}/data/public/a%20b.parquet", server.put("one.parquet", content)]
    web, stored = (run_of(Catalog().register("prices", url)) for url in urls)
    assert tables(web) == tables(stored)


def test_a_process_of_its_own_opens_the_same_catalog(data: Path) -> None:
    code = """
import sys
from ml4t.backtest import BacktestEngine, Catalog, TopN
catalog = Catalog().register("prices", sys.argv[1]).register("features", sys.argv[2])
print(BacktestEngine(catalog, TopN(2, by="score", every=2)).run().run_id)
"""
    urls = ["s3://data/data/prices", "s3://data/data/features.parquet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *urls], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == run_of(catalog_of(*urls)).run_id


def test_a_fork_of_a_process_that_has_asked_is_refused_and_does_not_wait(data: Path) -> None:
    code = """
import os, sys
from ml4t.backtest import Catalog
Catalog().register("features", sys.argv[1])
if not os.fork():
    Catalog().register("features", sys.argv[1])
os.wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "s3://data/data/features.parquet"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "ConfigError: a forked process cannot ask an object store after" in done.stderr


def test_equal_content_written_again_is_the_same_run_and_other_content_another(
    server: ObjectServer,
) -> None:
    ids = []
    for rows in (table(), table(), table().slice(0, 200)):
        url = server.put("again.parquet", parquet(rows))
        ids.append(run_of(Catalog().register("prices", url)).run_id)
    assert ids[0] == ids[1] != ids[2]


# -- what changes ----------------------------------------------------------------------------------


def test_an_object_that_changes_after_its_check_is_refused_wherever_it_is_read(
    server: ObjectServer,
) -> None:
    url = server.put("changing.parquet", parquet(table()))
    catalog = Catalog().register("prices", url)
    database = catalog.prepare().database
    server.put("changing.parquet", parquet(table().slice(0, 200)))
    reads = [
        lambda: database.rows("select sum(high) from prices"),
        lambda: database.numpy("select low from prices"),
        lambda: list(database.cursor().stream("select score from prices")),
        lambda: catalog.sql("select sum(volume) from prices").fetchall(),
        catalog.fingerprints,
    ]
    for read in reads:
        with pytest.raises(DataError, match="has files that changed while the run read") as caught:
            read()
        assert (caught.value.source, caught.value.rule) == ("prices", "unchanged")
    # A new check sees the new object.
    assert catalog.validate().n_bars == 200 // 7 + 12
    server.remove("changing.parquet")
    with pytest.raises(DataError, match=re.escape(f"matches no object: {url}")):
        catalog.validate()


def test_rows_of_two_versions_are_never_in_one_table(server: ObjectServer) -> None:
    """Whenever an object is written anew, each reading of it is of one version, or refused."""
    rows = table()
    versions = [
        parquet(rows.set_column(rows.schema.get_field_index("close"), "close",
                                pa.array([float(10 + i)] * rows.num_rows)))
        for i in range(2)
    ]  # fmt: skip
    url = server.put("racing.parquet", versions[0])
    done = threading.Event()

    def write() -> None:
        for i in range(30):
            server.put("racing.parquet", versions[i % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[object] = []
    while not done.is_set() or len(seen) < 5:
        try:
            catalog = Catalog().register("prices", url)
            found = catalog.sql("select min(close), max(close), count(*) from prices").fetchall()
        except DataError as error:
            assert error.rule == "unchanged"  # noqa: PT017
            continue
        seen += found
    writer.join()
    assert set(seen) <= {(close, close, rows.num_rows) for close in (10.0, 11.0)}


# -- prepared data -------------------------------------------------------------------------------


def test_prepared_data_of_objects_are_found_and_a_change_is_noticed(
    server: ObjectServer, tmp_path: Path
) -> None:
    url = server.put("kept.parquet", parquet(table()))

    def run() -> tuple[dict[str, Any], bool]:
        catalog = Catalog(cache=tmp_path / "store").register("prices", url)
        return tables(run_of(catalog)), asks_duckdb(catalog)

    first, second = run(), run()
    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0]
    store = PreparedStore(tmp_path / "store")
    assert [one.is_stale for one in store.kept()] == [False]
    server.put("kept.parquet", parquet(table().slice(0, 200)))
    assert [one.is_stale for one in store.kept()] == [True]
    with pytest.warns(UserWarning, match="source 'prices' has changed since"):
        changed, _ = run()
    assert changed == tables(run_of(Catalog().register("prices", url))) != first[0]


# -- who may do what -----------------------------------------------------------------------------


def test_sql_reads_the_objects_of_the_sources_and_writes_none(
    server: ObjectServer, data: Path
) -> None:
    url = server.put("mine.parquet", parquet(table()))
    server.put("theirs.parquet", parquet(table()))
    catalog = Catalog().register("prices", url)
    before = catalog.sql("select sum(close) from prices").fetchall()
    for query in (
        "select * from 's3://data/theirs.parquet'",
        "select * from glob('s3://data/*')",
        "select * from read_text('s3://data/theirs.parquet')",
        f"select * from '{data}/features.parquet'",
    ):
        with pytest.raises(EngineError, match="disabled by configuration"):
            catalog.sql(query).fetchall()
    with pytest.raises(EngineError):
        catalog.sql("select 1").write_parquet(url)
    assert Catalog().register("prices", url).sql("select sum(close) from prices").fetchall() == (
        before
    )


def test_who_asks_is_written_nowhere(data: Path, tmp_path: Path) -> None:
    """In no result, no prepared store and nothing that a catalog says of itself."""
    catalog = catalog_of("s3://data/data/prices", "s3://data/data/features.parquet",
                         cache=tmp_path / "store")  # fmt: skip
    run = run_of(catalog)
    run.save(tmp_path / "run.duckdb")
    run.save(tmp_path / "run")
    page = Path(run.report(tmp_path / "run.html")).read_text(encoding="utf-8")
    (facts, *_) = catalog.fingerprints()[1]["files"]  # type: ignore[misc]
    assert f"{facts['path']}, {facts['bytes']:,} bytes, version" in page
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    texts = [path.read_bytes() for path in written]
    texts += [repr(one).encode() for one in (catalog, catalog.fingerprints(), catalog.describe())]
    texts += [str(run.sql("select * from runs").fetchall()).encode()]
    for text in texts:
        assert KEY.encode() not in text
        assert SECRET.encode() not in text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://nobody/p.parquet", "could not be read: s3://nobody/p.parquet: there is no bucket"),
        ("s3://nobody/*.parquet", "could not be read: s3://nobody/*.parquet: there is no bucket"),
        ("s3://data/none.parquet", "matches no object: s3://data/none.parquet; pass the URL of"),
        ("s3://data/none/*.parquet", "matches no object: s3://data/none/*.parquet; pass the URL"),
        ("s3://data/none/", "of a folder with .parquet, .parq, .pq, or a pattern"),
        ("s3://data/text.parquet", "could not be read: a file is no Parquet"),
        ("s3://data/p.csv", "is at s3://data/p.csv, and CSV is read from local files alone"),
        ("s3://data/p.db", "is at s3://data/p.db, and DuckDB is read from local files alone"),
        ("s3://data/delta", "is a Delta table, s3://data/delta, whose files also hold rows that"),
    ],
)
def test_what_cannot_be_read_says_why(url: str, said: str, server: ObjectServer) -> None:
    for key in ("text.parquet", "p.csv", "p.db", "delta/_delta_log/0.json", "delta/a.parquet"):
        server.put(key, b"no such thing")
    error = refused(url)
    assert said in str(error)
    assert error.rule == "readable"


@pytest.mark.parametrize("url", ["s3://data/one.parquet", "s3://data/*.parquet"])
def test_who_may_not_read_is_told_how_to_say_who_asks(url: str, server: ObjectServer) -> None:
    server.put("one.parquet", parquet(table()))
    with server.locked():
        text = str(error := refused(url))
    assert f"could not be read: {url}: it was refused, 403 Forbidden" in text
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment" in text
    # Nor does what is shown below a traceback say what the server said.
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert KEY not in text


def test_nobody_who_asks_is_told_how_to_say_it(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("one.parquet", parquet(table()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    assert "nobody says who asks for it; say who asks" in str(refused("s3://data/one.parquet"))


def test_a_profile_says_who_asks(
    server: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("one.parquet", parquet(table()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = f"[desk]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / "credentials").write_text(said)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_PROFILE", "desk")
    catalog = Catalog().register("prices", url)
    assert catalog.sql("select count(*) from prices").fetchall() == [(280,)]


def test_a_server_that_is_not_there_is_named(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    text = str(refused("s3://data/one.parquet"))
    assert "could not be read: s3://data/one.parquet: " in text
    assert "see whether the address is right: AWS_ENDPOINT_URL" in text


# -- the page ------------------------------------------------------------------------------------


def test_the_code_of_the_page_runs(
    server: ObjectServer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## In an object store")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    prices = pq.ParquetDataset(data / "prices").read()
    server.put("prices/2024/a.parquet", parquet(prices))
    server.put("features.parquet", data / "features.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/data.md", "exec"), names)
    local = run_of(catalog_of(data / "prices", data / "features.parquet"))
    assert names["result"]["final_value"] == local["final_value"]
