"""The id of a run: of all that moves a number, and of nothing else."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ml4t.backtest import BacktestEngine, Catalog, TopN
from ml4t.backtest.core.identity import user_identity
from ml4t.backtest.risk import MaxPositions, RiskManager, StopLoss, TakeProfit

DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(10)]
KEYS = {"timestamp": [day for day in DAYS for _ in "AB"], "asset_id": ["A", "B"] * 10}
CLOSES = [10 + i % 7 + i / 10 for i in range(20)]
PRICES = {**KEYS, "open": CLOSES, "high": [x + 1 for x in CLOSES], "low": [x - 1 for x in CLOSES],
          "close": CLOSES, "volume": [900.0] * 20}  # fmt: skip
FEATURES = {
    **KEYS,
    "score": [float(i % 5) for i in range(20)],
    "other": [float(i % 3) for i in range(20)],
}
SPLIT = {"asset_id": ["A"], "ex_date": [DAYS[5]], "kind": ["split"], "value": [2.0]}
Sources = Mapping[str, tuple[object, Mapping[str, Any]]]


def catalog_of(sources: Sources, **settings: Any) -> Catalog:
    catalog = Catalog(**settings)
    for name, (given, options) in sources.items():
        catalog.register(options.get("role", name), given, name=name,
                         **{key: one for key, one in options.items() if key != "role"})  # fmt: skip
    return catalog


BASE: Sources = {"prices": (PRICES, {}), "features": (FEATURES, {})}


def run_id(sources: Sources = BASE, settings: Any = None, **asked: Any) -> str:
    strategy = asked.pop("strategy", None) or TopN(1, by="score", every=2)
    result = BacktestEngine(catalog_of(sources, **(settings or {})), strategy, **asked).run()
    return str(result.sql("select run_id from runs").fetchall()[0][0])


@pytest.fixture(scope="module")
def base() -> str:
    return run_id()


def edited(frame: Mapping[str, Any], column: str, row: int, value: object) -> dict[str, Any]:
    values = list(frame[column])
    values[row] = value
    return {**frame, column: values}


def swapped(frame: Mapping[str, Any], column: str, one: int, other: int) -> dict[str, Any]:
    return edited(
        edited(frame, column, one, frame[column][other]), column, other, frame[column][one]
    )


def sources(**changed: tuple[object, Mapping[str, Any]]) -> Sources:
    return {**BASE, **changed}


# What is given otherwise, by a word for it.
CHANGES: dict[str, dict[str, Any]] = {
    "a last digit of a price": {
        "sources": sources(prices=(edited(PRICES, "close", 7, CLOSES[7] + 1e-12), {}))
    },
    "two scores that changed places": {
        "sources": sources(features=(swapped(FEATURES, "score", 2, 5), {}))
    },
    "a value that is missing": {
        "sources": sources(features=(edited(FEATURES, "score", 3, None), {}))
    },
    "columns that changed names": {
        "sources": sources(prices=(PRICES, {"columns": {"open": "close", "close": "open"}}))
    },
    "a lag": {"sources": sources(features=(FEATURES, {"lag": "1 day"}))},
    "an age": {"sources": sources(features=(FEATURES, {"max_age": "1 day"}))},
    "adjusted prices": {"sources": sources(prices=(PRICES, {"adjusted": True}))},
    "raw prices": {"sources": sources(prices=(PRICES, {"adjusted": False}))},
    "an action": {"sources": sources(actions=(SPLIT, {}))},
    "a universe": {
        "sources": sources(
            universe=({"asset_id": ["A"], "start_date": [DAYS[0]], "end_date": [None]}, {})
        )
    },
    "a calendar": {"sources": sources(calendar=({"session": DAYS}, {}))},
    "a correction of a calendar": {
        "sources": sources(
            calendar=({"session": DAYS}, {}),
            calendar_corrections=({"session": DAYS[:1], "is_open": [False]}, {}),
        )
    },
    "another source": {"sources": sources(more=({**KEYS, "x": CLOSES}, {"role": "features"}))},
    "a capital": {"initial_capital": 50_000.0},
    "a benchmark": {"benchmark": "A"},
    "another benchmark": {"benchmark": "equal_weight"},
    "a risk-free rate": {"risk_free": 0.02},
    "bars of a year": {"periods_per_year": 100},
    "sessions of a year": {"sessions_per_year": "crypto"},
    "a start": {"start": DAYS[2]},
    "an end": {"end": DAYS[7]},
    "a rule": {"risk_manager": RiskManager([StopLoss(0.05)])},
    "a parameter of a rule": {"risk_manager": RiskManager([StopLoss(0.06)])},
    "the order of rules": {"risk_manager": RiskManager([StopLoss(0.05), TakeProfit(0.05)])},
    "the other order": {"risk_manager": RiskManager([TakeProfit(0.05), StopLoss(0.05)])},
    "a limit": {"risk_manager": RiskManager([], [MaxPositions(1)])},
    "an expression": {"strategy": TopN(1, by="other", every=2)},
    "a condition": {"strategy": TopN(1, by="score", every=2, where="score > 0")},
    "a schedule": {"strategy": TopN(1, by="score", every=3)},
}


def test_whatever_moves_a_number_makes_another_id(base: str) -> None:
    ids = {word: run_id(**changed) for word, changed in CHANGES.items()}

    assert base not in ids.values()
    assert len(set(ids.values())) == len(CHANGES)


def test_the_order_of_registration_of_rows_and_of_settings_makes_none(base: str) -> None:
    backwards = {name: values[::-1] for name, values in PRICES.items()}
    others = [
        {"sources": dict(reversed(BASE.items()))},
        {"sources": sources(prices=(backwards, {}))},
        {"settings": {"threads": 1}},
        {"settings": {"memory_limit": "1GB"}},
        {"sources": sources(features=(FEATURES, {"columns": {}}))},
        {"initial_capital": 100_000},
    ]

    assert [run_id(**one) for one in others] == [base] * len(others)


def written(folder: Path, write: Callable[[Any], None]) -> Path:
    path = folder / "prices.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        write(csv.writer(file, delimiter=";"))
    return path


def test_how_a_file_is_read_is_of_the_id(tmp_path: Path) -> None:
    """One file, read in several ways, is several runs."""

    def rows(writer: Any) -> None:
        writer.writerow(["timestamp", "asset_id", "open", "close", "extra"])
        for i, day in enumerate(DAYS):
            writer.writerow([f"{day:%d/%m/%Y}", "A", 10 + i % 3, 11 + i % 3, "-" if i % 2 else i])

    path = written(tmp_path, rows)
    ways: list[dict[str, Any]] = [
        {"date_format": "%d/%m/%Y"},
        {"date_format": "%m/%d/%Y"},
        {"date_format": "%d/%m/%Y", "null_values": ["-"]},
        {"date_format": "%d/%m/%Y", "columns": {"volume": "extra"}, "null_values": ["-"]},
    ]
    found = [
        run_id({"prices": (path, way)}, strategy=TopN(1, by="close"), end=None) for way in ways
    ]

    assert len(set(found)) == len(ways)


def test_a_library_that_code_calls_counts_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its functions are known by name; another version may compute something else."""
    library = ModuleType("ta_of_somebody")
    library.__file__ = "/usr/lib/python3/site-packages/ta_of_somebody.py"
    exec("def rsi(x):\n    return x\n", vars(library))
    monkeypatch.setitem(sys.modules, "ta_of_somebody", library)

    def named() -> list[str | None]:
        by_module = {"__name__": "__main__", "ta": library}
        by_name = {"__name__": "__main__", "rsi": library.rsi}
        exec("def f(x):\n    return ta.rsi(x)\n", by_module)
        exec("def f(x):\n    return rsi(x)\n", by_name)
        return [user_identity(by_module["f"]), user_identity(by_name["f"])]

    library.__version__ = "1.0"
    before, again = named(), named()
    library.__version__ = "1.1"
    after = named()

    assert before == again
    assert not {*before} & {*after}
    assert None not in before


def test_context_is_the_same_in_whatever_order_it_is_given() -> None:
    context = {day: {"vix": float(i), "rate": 1.0} for i, day in enumerate(DAYS)}
    backwards = {day: dict(reversed(values.items())) for day, values in reversed(context.items())}

    def of(given: Any) -> str:
        result = BacktestEngine(catalog_of(BASE), TopN(1, by="score"), context_data=given).run()
        return json.dumps(result.sql("select run_id from runs").fetchall())

    assert of(context) == of(backwards)
    assert of(context) != of({**context, DAYS[3]: {"vix": 99.0, "rate": 1.0}})
