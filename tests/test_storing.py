"""A run that goes into a store by itself: from Python, from a run file, from the command line."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml4t.backtest import (
    BacktestEngine,
    BacktestResult,
    Catalog,
    ConfigError,
    ResultError,
    RunStore,
    TopN,
)
from ml4t.backtest.cli import app
from ml4t.backtest.results.run_store import entry
from ml4t.backtest.runfile import engine_of
from ml4t.backtest.synthetic import make_market
from universes import make_universe

RUN_FILE = """
[sources.prices]
path = "prices.parquet"

[sources.features]
path = "features.parquet"

[sources.context]
path = "context.parquet"

[strategy]
kind = "TopN"
n = 2
by = "ml_score"
every = 5

[run]
evidence = ["vix", "atr"]
store = "runs"
tags = ["swept"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("storing"), n_assets=5, n_bars=30)


@pytest.fixture
def run_file(folder: Path, tmp_path: Path) -> Path:
    """A run file in a folder of its own, over the sources of the module."""
    path = tmp_path / "run.toml"
    path.write_text(RUN_FILE.replace('path = "', f'path = "{folder}/'), encoding="utf-8")
    return path


def engine(**settings: Any) -> BacktestEngine:
    universe = make_universe(1, n_bars=8)
    catalog = Catalog()
    catalog.register("prices", universe.prices).register("features", universe.features)
    return BacktestEngine(catalog, TopN(2, by="score"), **settings)


def tags_of(store: RunStore) -> dict[str, list[str]]:
    return dict(store.runs().project("run_id, tags").fetchall())


def called(*words: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


# -- from Python ------------------------------------------------------------------------------


def test_a_run_is_added_to_the_store_that_it_names(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    result = engine().run(store=store, tags=["a", "b"])

    assert tags_of(store) == {result.run_id: ["a", "b"]}
    assert store.open(result.run_id)["final_value"] == result["final_value"]


def test_a_store_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    assert engine().run(store=tmp_path / "runs", tags=["a"]).run_id == engine().run().run_id


def test_the_store_of_an_engine_is_that_of_a_run_that_names_none(tmp_path: Path) -> None:
    made = engine(store=str(tmp_path / "one"), tags=["engine"])
    made.strategy = TopN(2, by="score")
    run_id = made.run().run_id
    made.run(store=tmp_path / "other", tags=())

    assert tags_of(RunStore(tmp_path / "one")) == {run_id: ["engine"]}
    assert tags_of(RunStore(tmp_path / "other")) == {run_id: []}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"store": 3}, r"store must be a RunStore or its folder, was 3; write store='my_runs'"),
        ({"store": "x", "tags": "a"}, r"tags must be a list of texts, was 'a'; write \['a'\]"),
        ({"store": "x", "tags": 3}, "tags must be a list of texts, was 3"),
        ({"tags": ["a"]}, r"tags, \['a'\], are those of a run in a store; name it"),
    ],
)
def test_what_is_no_store_or_tag_is_refused_before_the_run(
    settings: dict[str, Any], message: str
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("it ran")

    with pytest.raises(ConfigError, match=message):
        engine().run(fail, **settings)
    with pytest.raises(ConfigError, match=message):
        engine(**settings).run(fail)


def test_a_folder_of_something_else_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear", encoding="utf-8")
    with pytest.raises(ResultError, match=r"holds 'letter\.txt' and is no store"):
        engine().run(lambda *_: pytest.fail("it ran"), store=tmp_path)


def test_a_run_that_cannot_be_added_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    store = RunStore(tmp_path / "runs")
    monkeypatch.setattr(entry, "save_folder", full)
    with pytest.raises(ResultError, match=r"no space left.*the `result` of this error") as caught:
        engine().run(store=store)

    assert isinstance(caught.value.result, BacktestResult)
    assert caught.value.result["n_bars"] == 8
    assert len(store) == 0


def test_a_store_is_no_run_to_save_over_or_to_open(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    result = engine().run(store=store)

    for place in (store, store.path, str(store.path)):
        with pytest.raises(ResultError, match=r"is a store of runs, which is added to: .*add\(res"):
            result.save(place)  # type: ignore[arg-type]
        with pytest.raises(ResultError, match=r"is a store of runs; open one: .*open\(run_id\)"):
            BacktestResult.open(place)  # type: ignore[arg-type]
    assert list(tags_of(store)) == [result.run_id]


# -- from a run file, and from the command line -----------------------------------------------


def test_a_run_file_names_evidence_store_and_tags(run_file: Path) -> None:
    result = engine_of(run_file).run()

    store = RunStore(run_file.parent / "runs")
    assert tags_of(store) == {result.run_id: ["swept"]}
    names = result.sql("select distinct name from evidence order by name").fetchall()
    assert {("atr",), ("vix",)} <= set(names)


def test_the_command_line_adds_to_the_store_of_the_file(run_file: Path) -> None:
    document = json.loads(called("run", run_file, "--json").stdout)
    store = RunStore(run_file.parent / "runs")

    assert tags_of(store) == {document["run_id"]: ["swept"]}
    assert document["saved_to"] == str(store.path / document["run_id"])
    # The place that is printed is one that other commands take.
    shown = json.loads(called("summary", document["saved_to"], "--json").stdout)
    assert shown["run_id"] == document["run_id"]
    assert shown["metrics"] == document["metrics"]


def test_options_go_before_the_file(run_file: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "run.duckdb"
    shown = called("run", run_file, "--store", other, "--tag", "a", "--tag", "b", "--out", out)

    ((run_id, tags),) = tags_of(RunStore(other)).items()
    assert tags == ["a", "b"]
    assert shown.stdout.splitlines()[-2:] == [f"saved to {other / run_id}", f"saved to {out}"]
    assert BacktestResult.open(out).run_id == run_id
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"runs"', '" "', "[run] store must be the folder of a store, was ' '"),
        ('"runs"', "3", "[run] store must be a text, was 3"),
        ('["swept"]', '"swept"', "[run] tags must be a list, was 'swept'"),
        ('["vix", "atr"]', "3", "[run] evidence must be a list, was 3"),
        ('["vix", "atr"]', '"vix"', "evidence must be a list of columns or 'all', was 'vix'"),
        ('["vix", "atr"]', '["vx"]', "evidence names 'vx', a column of neither signals nor"),
        ("evidence", "evidences", "unknown key 'evidences'; did you mean 'evidence'?"),
        ("store", "stores", "unknown key 'stores'; did you mean 'store'?"),
        ('store = "runs"', "", "are those of a run in a store; name it"),
    ],
)
def test_a_mistake_is_named(run_file: Path, old: str, new: str, message: str) -> None:
    text = run_file.read_text(encoding="utf-8")
    assert old in text
    run_file.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert message in called("run", run_file, code=1).stderr


def test_evidence_may_be_all(run_file: Path) -> None:
    text = run_file.read_text(encoding="utf-8").replace('["vix", "atr"]', '"all"', 1)
    run_file.write_text(text, encoding="utf-8")
    assert engine_of(run_file).evidence == ("all",)


def test_ctrl_c_while_a_run_is_added_lets_it_finish(
    run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = entry.save_folder

    def save(*of: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        whole(*of)

    monkeypatch.setattr(entry, "save_folder", save)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = called("run", run_file, code=130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert f"the run was finished, and is saved to {run_file.parent / 'runs'}" in done.stderr
    assert len(RunStore(run_file.parent / "runs")) == 1
