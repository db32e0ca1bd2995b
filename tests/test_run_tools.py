"""RunTools: what a program may ask of saved runs, and where it ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from market_run_file import RUN_FILE
from ml4t.backtest import (
    BacktestEngine,
    BacktestError,
    Catalog,
    ConfigError,
    ResultError,
    RunStore,
    TopN,
)
from ml4t.backtest.cli.serving.run_tools import Limits, RunTools
from ml4t.backtest.cli.serving.served import MOST_OPEN, Served
from ml4t.backtest.data.database import EngineError
from ml4t.backtest.results.page.figures import FIGURES
from ml4t.backtest.synthetic import make_market

ENDLESS = "select count(*) from range(10_000_000) a, range(10_000_000) b where a.range <> b.range"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_market(tmp_path_factory.mktemp("tools"), n_assets=6, n_bars=40)
    (made / "run.toml").write_text(RUN_FILE, encoding="utf-8")
    (made.parent / "outside.toml").write_text(RUN_FILE, encoding="utf-8")
    (made / "link.toml").symlink_to(made.parent / "outside.toml")
    catalog = Catalog()
    for role in ("prices", "features"):
        catalog.register(role, made / f"{role}.parquet")
    store = RunStore(made / "runs")
    for n in (1, 3):
        result = BacktestEngine(catalog, TopN(n, by="ml_score", every=5)).run()
        store.add(result)
    result.save(made / "one.duckdb")
    return made


@pytest.fixture(scope="module")
def one(folder: Path) -> RunTools:
    return RunTools(Served(folder / "one.duckdb"))


@pytest.fixture(scope="module")
def many(folder: Path) -> RunTools:
    return RunTools(Served(folder / "runs"), folder)


def test_describe_names_all_that_there_is(one: RunTools, many: RunTools) -> None:
    said = many.describe()
    assert (said["kind"], said["n_runs"], len(said["run_ids"])) == ("a store of runs", 2, 2)
    assert said["run_files"] == ["link.toml", "run.toml"]
    assert set(said["figures"]) == set(FIGURES)
    assert "report.metrics" in said["views"]
    assert one.describe()["kind"] == "one run"
    assert one.describe()["run_files"] == []


@pytest.mark.parametrize(
    ("name", "place", "column"),
    [("fills", "fills", "price"), ("monthly_trading", "report.monthly_trading", "costs")],
)
def test_describe_says_what_the_columns_of_a_table_mean(
    many: RunTools, name: str, place: str, column: str
) -> None:
    said = many.describe(name)
    meanings = {row["column"]: row["meaning"] for row in said["columns"]}
    assert said["read_as"] == place
    assert meanings[column]


def test_the_query_of_a_figure_is_one_to_start_from(one: RunTools) -> None:
    found = one.sql(one.describe("drawdown")["query"], limit=1)
    assert found["columns"] == ["timestamp", "drawdown", "benchmark_drawdown"]
    with pytest.raises(ResultError, match="nothing called 'drawdonw'; did you mean 'drawdown'"):
        one.describe("drawdonw")


def test_sql_asks_one_run_or_all(one: RunTools, many: RunTools) -> None:
    bars = "select count(*) as n from equity"
    assert one.sql(bars)["rows"] == [[40]]
    assert many.sql(bars)["rows"] == [[80]]
    assert many.sql(bars, run_id=many.describe()["run_ids"][0])["rows"] == [[40]]
    assert many.sql("select count(*) from metrics")["rows"] == [[2]]


def test_rows_beyond_the_limit_are_said_and_not_given(one: RunTools) -> None:
    found = one.sql("select timestamp from equity order by timestamp desc", limit=3)
    assert (len(found["rows"]), found["has_more"]) == (3, True)
    assert found["rows"][0][0] > found["rows"][1][0]
    assert not one.sql("select 1")["has_more"]
    with pytest.raises(ConfigError, match="limit must be a whole number from 1 to 1,000"):
        one.sql("select 1", limit=5_000)


def test_an_answer_that_is_too_long_is_refused(folder: Path) -> None:
    short = RunTools(Served(folder / "one.duckdb"), limits=Limits(characters=500))
    with pytest.raises(ResultError, match="more than 500; ask for fewer rows or columns"):
        short.sql("select * from fills")


@pytest.mark.parametrize("path", ["one.duckdb", "runs"])
def test_a_query_that_takes_too_long_is_stopped(folder: Path, path: str) -> None:
    hasty = RunTools(Served(folder / path), limits=Limits(query_seconds=0.3))
    began = time.monotonic()
    with pytest.raises(ResultError, match=r"longer than 0\.3 seconds and was stopped"):
        hasty.sql(ENDLESS)
    assert time.monotonic() - began < 20
    assert hasty.sql("select 1 as one")["rows"] == [[1]]


@pytest.mark.parametrize(
    "query",
    [
        "drop table fills",
        "create table x as select 1",
        "select * from read_parquet('{folder}/prices.parquet')",
        "select * from read_text('/etc/hostname')",
        "copy fills to '{folder}/stolen.csv'",
        "attach '{folder}/one.duckdb' as other",
        "set enable_external_access = true",
        "install httpfs",
        "select 1; select 2",
        "select nothing from fills",
    ],
)
@pytest.mark.parametrize("path", ["one.duckdb", "runs"])
def test_sql_reads_the_runs_and_nothing_else(folder: Path, path: str, query: str) -> None:
    before = sorted(folder.rglob("*"))
    tools = RunTools(Served(folder / path))
    with pytest.raises((BacktestError, EngineError)):
        tools.sql(query.format(folder=folder))
    assert sorted(folder.rglob("*")) == before


def test_runs_are_compared_by_their_ids(many: RunTools) -> None:
    ids = many.describe()["run_ids"]
    found = many.compare(ids)
    assert set(found["metrics"]) == set(ids)
    differing = found["settings"]["strategy"].values()
    assert set(differing) == {f"TopN({n}, by='ml_score', every=5)" for n in (1, 3)}
    with pytest.raises(ResultError, match="two runs or more"):
        many.compare(ids[:1])


def test_a_run_file_is_run_and_asked(many: RunTools, folder: Path) -> None:
    files = sorted(folder.rglob("*"))
    made = many.run("run.toml", start="2020-01-20")
    assert made["metrics"]["first_timestamp"] >= "2020-01-20"
    assert many.sql("select count(*) from equity", run_id=made["run_id"])["rows"][0][0] < 40
    assert made["run_id"] in many.describe()["run_ids"]
    assert many.compare([made["run_id"], many.describe()["run_ids"][0]])["settings"]
    assert sorted(folder.rglob("*")) == files


def test_a_run_file_is_previewed(many: RunTools) -> None:
    day = many.sql("select max(timestamp)::date as day from equity")["rows"][0][0]
    found = many.preview("run.toml", day, limit=2)
    assert found["columns"][0] == "asset_id"
    assert (len(found["rows"]), found["has_more"]) == (2, True)
    with pytest.raises(ResultError, match="there is no bar at 1999-01-01; the nearest"):
        many.preview("run.toml", "1999-01-01")


def test_the_data_of_a_run_file_are_asked(many: RunTools) -> None:
    query = "select asset_id, ml_score from signals order by timestamp, asset_id"
    found = many.inspect("run.toml", query, limit=2)
    assert found["columns"] == ["asset_id", "ml_score"]
    assert (len(found["rows"]), found["has_more"]) == (2, True)
    with pytest.raises(ResultError, match="Permission Error"):
        many.inspect("run.toml", "select * from read_text('/etc/hostname')")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("../outside.toml", "outside of the folder"),
        ("link.toml", "outside of the folder"),
        ("/etc/passwd", "outside of the folder"),
        ("rum.toml", "no run file 'rum.toml'; did you mean 'run.toml'"),
        ("prices.parquet", "there is no run file"),
    ],
)
def test_no_file_outside_of_the_folder_is_run(many: RunTools, given: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        many.run(given)


def test_a_run_that_takes_too_long_is_ended(folder: Path) -> None:
    limits = Limits(run_seconds=0.01)
    hasty = RunTools(Served(folder / "one.duckdb"), folder, limits)
    with pytest.raises(ResultError, match=r"'run' took longer than 0\.01 seconds and was ended"):
        hasty.run("run.toml")


def test_without_a_folder_no_run_file_is_taken(one: RunTools, many: RunTools) -> None:
    assert [tool.__name__ for tool in one.tools()] == ["describe", "sql", "compare"]
    assert [tool.__name__ for tool in many.tools()][3:] == ["run", "preview", "inspect"]
    with pytest.raises(ConfigError, match="there is no folder at"):
        RunTools(many._served, Path("nowhere"))


def test_runs_that_were_opened_first_are_let_go(folder: Path) -> None:
    served = Served(folder / "runs")
    first, other = served.ids()
    result = served.run(first)
    served._open |= {f"run{number}": result for number in range(MOST_OPEN + 3)}
    served.run(other)
    assert len(served._open) == MOST_OPEN
    assert list(served._open)[-1] == other
    assert served.run(first[:6])["n_bars"] == 40
    with pytest.raises(ResultError, match="is a store of runs; say run_id, one of"):
        served.run()


def test_a_run_writes_to_no_store_that_its_file_names(many: RunTools, folder: Path) -> None:
    kept = RUN_FILE + '[run]\nstore = "kept"\ntags = ["mine"]\ncache = "read"\n'
    (folder / "kept.toml").write_text(kept, encoding="utf-8")
    assert many.run("kept.toml")["run_id"]
    assert not (folder / "kept").exists()
    assert not (folder / "read").exists()
    (folder / "kept.toml").unlink()


def test_what_a_client_says_is_never_an_option(many: RunTools) -> None:
    with pytest.raises(ResultError, match="must be a time, was '--help'"):
        many.preview("run.toml", "--help")


@pytest.mark.parametrize("word", ["2020\0", "2020\ud800"])
def test_characters_of_no_text_are_refused_in_words(many: RunTools, word: str) -> None:
    for ask in (many.run, many.preview, many.inspect):
        with pytest.raises(ConfigError, match="has a character that is none of a text"):
            ask("run.toml", word)  # type: ignore[operator]
        with pytest.raises(ConfigError, match="has a character that is none of a text"):
            ask(word, "x")  # type: ignore[operator]


def test_an_empty_store_is_said_to_be_empty(tmp_path: Path) -> None:
    empty = RunTools(Served(RunStore(tmp_path / "runs").path))
    assert empty.describe()["n_runs"] == 0
    with pytest.raises(ResultError, match="holds no run yet"):
        empty.describe("trades")
