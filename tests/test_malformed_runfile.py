"""Malformed run files and command lines: each key is given every value that TOML can say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from effort import share
from malformed import INF, NAME, NOTHING, RATE, Kind, above, at_least, verdict, whole, words
from malformed_parameters import ALSO_CALLED, PARAMETERS, RANKING
from ml4t.backtest import BacktestConfig, BacktestError, ConfigError, runfile
from ml4t.backtest.cli import app
from ml4t.backtest.data.calendars.years import ASSET_CLASSES
from ml4t.backtest.presets import PRESETS
from ml4t.backtest.runfile import FILE_TABLES, RUN_KEYS, catalog_of, engine_of
from ml4t.backtest.runfile_sources import SOURCE_KEYS
from ml4t.backtest.runfile_tables import LIMITS, RULES, SETTINGS, TIMINGS, Family
from ml4t.backtest.synthetic import make_market

Document = dict[str, Any]

SAID: dict[str, object] = {
    "true": True,
    "false": False,
    "0": 0,
    "-1": -1,
    "1": 1,
    "2": 2,
    "500": 500,
    "2.5": 2.5,
    "0.5": 0.5,
    "-0.5": -0.5,
    "nan": math.nan,
    "inf": INF,
    "-inf": -INF,
    "1e300": 1e300,
    "10 to the power of 400": 10**400,
    "a number as text": "0.5",
    "a word": "xyzzy",
    "the word for None": "none",
    "blank": " ",
    "empty text": "",
    "empty list": [],
    "list": [1, 2],
    "list of texts": ["xyzzy"],
    "nested list": [[1, 2, 3]],
    "empty table": {},
    "table": {"xyzzy": 1},
    "date": date(2024, 1, 2),
    "datetime": datetime(2024, 1, 2),
    "time": time(9, 30),
}
FAMILIES: dict[str, Family] = {**SETTINGS, "risk": RULES, "limit": LIMITS}
NO_TRADE = {"min_trade": at_least(0), "band": at_least(0, 1)}
STRATEGY: dict[str, tuple[Document, dict[str, Kind]]] = {
    "TopN": ({"n": 1, "by": "close"}, RANKING | NO_TRADE),
    "SQLStrategy": (
        {"query": "select 1"},
        {"query": NAME, "every": whole(1), "offset": whole(0, 0), "when": NAME, "ranking": NOTHING}
        | NO_TRADE,
    ),
}


def is_text(value: object) -> bool:
    return isinstance(value, str)


DAY = Kind("a date or a time", lambda value: isinstance(value, date))
RUN: dict[str, Kind] = {
    "initial_capital": above(0), "periods_per_year": above(0), "preset": words(*PRESETS),
    "commission_bps": RATE, "slippage_bps": RATE, "threads": whole(1, 1024),
    "memory_limit": NOTHING, "timezone": NOTHING, "start": DAY, "end": DAY,
    "sessions_per_year": above(0) | words(*ASSET_CLASSES),
    "benchmark": NAME, "risk_free": above(-1, 1), "store": NAME, "cache": NAME,
    "tags": Kind("a list of texts", lambda v: isinstance(v, list) and all(map(is_text, v))),
    "evidence": Kind("a list of names of columns", lambda v: v == [] or v == ["xyzzy"]),
}  # fmt: skip
# None of the values is a file, a role, a column of prices, a duration or what to do with rows.
SOURCE: dict[str, Kind] = dict.fromkeys(SOURCE_KEYS, NOTHING) | {
    "null_values": Kind("a list of no text", lambda value: value == []),
    "columns": Kind("a table that names no column", lambda value: value == {}),
}


def toml(value: object) -> str:
    """Write a value as TOML does, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {toml(one)}' for key, one in value.items())} }}"
    return repr(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_market(tmp_path_factory.mktemp("malformed"), n_assets=3, n_bars=10)


@pytest.fixture(scope="module")
def market(folder: Path) -> Any:
    return catalog_of(written(folder, {}))


@pytest.fixture
def registered(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take sources as registered: they are the same in each of these files."""
    monkeypatch.setattr(runfile, "register_sources", lambda *_: market)


def written(folder: Path, changes: Document) -> Path:
    """Write the file that is right, with other tables."""
    right: Document = {
        "sources": {"prices": {"path": "prices.parquet"}},
        "strategy": {"kind": "TopN", "n": 1, "by": "close"},
    }
    lines = [f"{name} = {toml(value)}" for name, value in (right | changes).items()]
    path = folder / "run.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def one_of(family: Family, chosen: str, name: str, arguments: Document) -> Document:
    """Return the document in which a table picks a class and says its arguments."""
    kind = {family.key: chosen} if len(family.names) > 1 else {}
    table = kind | arguments
    return {name: [table] if name in ("risk", "limit") else table}


def as_toml(kind: Kind) -> Kind:
    """Return a kind of Python's as TOML says it: a word stands for None."""
    return Kind(kind.name, lambda v: kind.takes(v) or (v == "none" and kind.takes(None)))


def wrong(
    folder: Path, kind: Kind, subjects: list[str], document: Any, said: Mapping[str, object] = SAID
) -> dict[str, str]:
    """What is not right, by the label of the value; an error is one line."""

    def use(value: object) -> None:
        try:
            engine_of(written(folder, document(value)))
        except BacktestError as error:
            if "\n" in str(error):
                raise RuntimeError("more than one line") from error
            raise

    found = {label: verdict(as_toml(kind), subjects, value, use) for label, value in said.items()}
    if found.get("the word for None", "").startswith("unclear"):  # the class says it as Python does
        found["the word for None"] = verdict(kind, subjects, None, lambda _: use("none"))
    return {label: said for label, said in found.items() if said != "right"}


EACH = [
    (name, chosen, parameter)
    for name, family in FAMILIES.items()
    for chosen in family.classes
    for parameter in PARAMETERS[chosen][1]
]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("name", "chosen", "parameter"), EACH)
def test_a_key_of_a_class_takes_what_it_may_be_and_refuses_all_else_in_words(
    folder: Path, name: str, chosen: str, parameter: str
) -> None:
    beside, kinds = PARAMETERS[chosen]
    plain = {key: value for key, value in beside.items() if key != "rules" and key != parameter}
    if "rules" in beside and parameter != "rules":
        plain["rules"] = [{"rule": "StopLoss", "fraction": 0.1}]

    def document(value: object) -> Document:
        return one_of(FAMILIES[name], chosen, name, {**plain, parameter: value})

    called = [parameter, ALSO_CALLED.get(parameter, parameter)]
    found = wrong(folder, kinds[parameter], called, document)
    if parameter == "timing":  # a table of its own, which must pick a class
        lacks = f"[execution] timing has no kind; known: {', '.join(sorted(TIMINGS.names))}"
        assert [found.pop(one) for one in ("empty table", "table")] == [f"unclear: {lacks}"] * 2
    assert found == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("chosen", "parameter"), [(one, key) for one, (_, kinds) in STRATEGY.items() for key in kinds]
)
def test_a_key_of_the_strategy_takes_what_it_may_be(
    folder: Path, chosen: str, parameter: str
) -> None:
    beside, kinds = STRATEGY[chosen]

    def document(value: object) -> Document:
        return {"strategy": {"kind": chosen, **beside, parameter: value}}

    found = wrong(folder, kinds[parameter], [parameter], document)
    if parameter == "ranking":  # its own keys are those of TopN, which has a required one
        assert found.pop("empty table") == "unclear: [strategy.ranking] has no n"
    assert found == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("parameter", STRATEGY["TopN"][1])
def test_a_key_of_a_ranking_takes_what_it_may_be(folder: Path, parameter: str) -> None:
    def document(value: object) -> Document:
        ranking = {"n": 1, "by": "close", parameter: value}
        return {"strategy": {"kind": "SQLStrategy", "query": "select 1", "ranking": ranking}}

    assert wrong(folder, STRATEGY["TopN"][1][parameter], [parameter], document) == {}


@pytest.mark.usefixtures("registered")
def test_a_key_of_a_timing_takes_what_it_may_be(folder: Path) -> None:
    def document(value: object) -> Document:
        return {"execution": {"timing": {"kind": "VolumeWeighted", "vwap": value}}}

    assert wrong(folder, NAME, ["vwap"], document) == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("chosen", ["AllOf", "AnyOf"])
def test_a_key_of_a_rule_within_a_rule_takes_what_it_may_be(folder: Path, chosen: str) -> None:
    def document(value: object) -> Document:
        rules = [{"rule": "TimeBasedExit", "max_bars": 2}, {"rule": "StopLoss", "fraction": value}]
        return {"risk": [{"rule": chosen, "rules": rules}]}

    assert wrong(folder, PARAMETERS["StopLoss"][1]["fraction"], ["fraction"], document) == {}


@pytest.mark.parametrize("parameter", RUN)
def test_a_key_of_the_run_takes_what_it_may_be(folder: Path, parameter: str) -> None:
    called = [parameter, "a tag"] if parameter == "tags" else [parameter]
    assert wrong(folder, RUN[parameter], called, lambda v: {"run": {parameter: v}}) == {}


@pytest.mark.parametrize("parameter", SOURCE)
def test_a_key_of_a_source_takes_what_it_may_be(folder: Path, parameter: str) -> None:
    def document(value: object) -> Document:
        source = {"path": "prices.parquet", parameter: value}
        return {"sources": {"prices": {"path": "prices.parquet"}, "features": source}}

    said = dict(share([*SAID.items()], [*SOURCE].index(parameter), 4))
    assert wrong(folder, SOURCE[parameter], [parameter, "features"], document, said) == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", FAMILIES)
def test_the_key_that_picks_a_class_takes_its_names_alone(folder: Path, name: str) -> None:
    family = FAMILIES[name]
    optional = Kind("none", lambda v: v == "none" and family.is_optional)

    def document(value: object) -> Document:
        table = {family.key: value}
        return {name: [table] if name in ("risk", "limit") else table}

    assert wrong(folder, optional, [family.key], document) == {}


@pytest.mark.parametrize("name", [one for one in FILE_TABLES if one not in ("risk", "limit")])
def test_a_table_is_a_table_of_known_keys(folder: Path, name: str) -> None:
    empty = Kind("an empty table", lambda v: v == {})
    found = wrong(folder, empty, [name], lambda value: {name: value})
    # What has no default must be there, whatever else is.
    missing = {
        "sources": "the run file has no table [sources.prices]; write one with its path, or a "
        'table with a vendor, such as [sources.bars] with vendor = "kibot"',
        "strategy": "[strategy] has no kind; known: SQLStrategy, TopN",
        "impact": f"[impact] has no kind; known: {', '.join(sorted(SETTINGS['impact'].names))}",
    }
    if name in missing:
        assert found.pop("empty table") == f"refused: {missing[name]}"
        found.pop("table", None)
        with pytest.raises(ConfigError, match=f"^{re.escape(missing[name])}$"):
            engine_of(written(folder, {name: {"xyzzy": 1}}))
    assert found == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["risk", "limit"])
def test_rules_and_limits_are_lists_of_tables(folder: Path, name: str) -> None:
    empty = Kind("an empty list", lambda v: v == [])
    assert wrong(folder, empty, [name], lambda value: {name: value}) == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "chosen"), [(name, one) for name, family in FAMILIES.items() for one in family.classes]
)
def test_an_unknown_key_and_a_missing_one_are_named(folder: Path, name: str, chosen: str) -> None:
    family = FAMILIES[name]
    beside = {
        key: value
        for key, value in PARAMETERS[chosen][0].items()
        if key not in ("rules", "parts", "models")
    }
    has_keys = any(field.init for field in fields(family.classes[chosen]))
    known = "; known: " if has_keys else "$"
    with pytest.raises(ConfigError, match=f"has the unknown key 'xyzzy'{known}"):
        engine_of(written(folder, one_of(family, chosen, name, {**beside, "xyzzy": 1})))
    is_change = type(getattr(BacktestConfig(), name, None)) is family.classes[chosen]
    for field in () if is_change else fields(family.classes[chosen]):
        if field.default is not MISSING or field.default_factory is not MISSING or not field.init:
            continue
        rest = {key: value for key, value in beside.items() if key != field.name}
        with pytest.raises(ConfigError, match=rf"{chosen} has no (rules|{field.name})"):
            engine_of(written(folder, one_of(family, chosen, name, rest)))


def test_every_key_of_a_run_file_has_its_kind() -> None:
    for family in (*FAMILIES.values(), TIMINGS):
        for chosen, kind in family.classes.items():
            known = {field.name for field in fields(kind) if field.init}
            assert known == set(PARAMETERS.get(chosen, ({}, {}))[1]), chosen
    assert {field.name for field in fields(runfile.Ranking)} == set(STRATEGY["TopN"][1])
    said = {field.name for field in fields(runfile._QueryTable)} | {"ranking"}
    assert said == set(STRATEGY["SQLStrategy"][1])
    assert set(RUN_KEYS) == set(RUN)


# -- the command line -----------------------------------------------------------------------


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


PATHS = ("missing", "", "folder", "bytes", "text", "empty", "missing/deeper", "prices.parquet")
COMMANDS = {
    "run": ("run", "{path}"),
    "run to a file": ("run", "run.toml", "--out", "{path}"),
    "inspect": ("inspect", "{path}", "--sql", "select 1"),
    "query": ("query", "{path}", "--sql", "select 1"),
    "summary": ("summary", "{path}"),
    "preset": ("preset", "{path}"),
}


@pytest.fixture
def places(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is a run file that is right, and what is none."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    (tmp_path / "text").write_text("no run at all", encoding="utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "prices.parquet").write_bytes((folder / "prices.parquet").read_bytes())
    (tmp_path / "run.toml").write_bytes(written(folder, {}).read_bytes())
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "run to a file"])
@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_no_run_is_one_line_that_names_it(command: str, path: str) -> None:
    said = call(*(part.format(path=path) for part in COMMANDS[command]))
    assert said.exit_code == 1, (said.output, said.exception)
    assert isinstance(said.exception, SystemExit)
    assert re.fullmatch(r"error: .+\n", said.stderr), said.stderr
    is_empty = path == "empty" and command in ("run", "inspect")
    shown = "the run file has no table [" if is_empty else path
    assert shown in said.stderr


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "extra", [("--xyzzy",), ("--out",), ("--sql",), ("--json", "1", "2"), ("--json=xyzzy",)]
)
def test_an_option_that_is_wrong_is_code_2(command: str, extra: tuple[str, ...]) -> None:
    said = call(*(part.format(path="run.toml") for part in COMMANDS[command]), *extra)
    assert said.exit_code == 2, (said.output, said.exception)
    assert isinstance(said.exception, SystemExit)
    assert "Error" in said.stderr


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    "sql", ["", " ", ";", "select", "select * from xyzzy", "xyzzy", "select 'a'::int", "0"]
)
def test_sql_that_is_wrong_is_an_error(sql: str) -> None:
    said = call("inspect", "run.toml", "--sql", sql)
    assert said.exit_code == 1, (said.output, said.exception)
    assert isinstance(said.exception, SystemExit)
    assert said.stderr.startswith("error: ")
