"""Identity: equal inputs have one run_id everywhere, and whatever moves a number changes it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import ml4t.backtest
import own_parts
from ml4t.backtest import BacktestConfig, BacktestEngine, BasisPointCommission, Catalog, TopN
from ml4t.backtest.core.identity import attributes, state_identity, user_identity
from ml4t.backtest.core.shown import shown, with_code
from ml4t.backtest.risk import AllOf, StopLoss

SOURCE = Path(own_parts.__file__).read_text(encoding="utf-8")
PACKAGE = Path(ml4t.backtest.__file__).resolve().parents[2]
# What is edited in the user's file: (before, after), in code or in what code reads.
EDITS = {
    "a number in a cost model's body": ("/ 10_000", "/ 20_000"),
    "a global that it reads": ('SCALE = {"fee": 1.0}', 'SCALE = {"fee": 2.0}'),
    "a private parameter": ("bp: float = 1.0", "bp: float = 5_000.0"),
    "an attribute in a private slot": ("np.array([1.0, 2.0]), 0.0", "np.array([1.0, 2.0]), 0.5"),
    "an array that it holds": ("np.array([1.0, 2.0])", "np.array([1.0, 2.5])"),
    "a set that it holds": ('{"b", "a", "c"}', '{"b", "a", "d"}'),
    "a function that a partial calls": ("return price * factor", "return price * factor * 1.001"),
    "the arguments of a partial": ("factor=1.0", "factor=1.001"),
    "a rule's body": ("held.bars_held >= self._bars", "held.bars_held > self._bars"),
    "a rule's default": ("bars: int = 3", "bars: int = 2"),
    "a limit's body": ("np.minimum(wish.wanted, 0.5)", "np.minimum(wish.wanted, 0.25)"),
    "a sizer's body": ("entry.asset_id, 10.0", "entry.asset_id, 20.0"),
    "a feature function's global": ("LEVEL = 12.0", "LEVEL = 13.0"),
    "a feature function's body": ('{"heat": LEVEL}', '{"heat": LEVEL + 1}'),
}


def elsewhere(folder: Path, source: str, **environment: str) -> tuple[str, dict[str, Any]]:
    """Run the user's file in a process of its own; return run_id and configuration."""
    script = folder / "own_parts.py"
    script.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "import own_parts as o; print(*o.told(o.run()), sep='\\n')"],
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{PACKAGE}"} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run_id, configuration = done.stdout.splitlines()
    return run_id, json.loads(configuration)


def test_equal_inputs_have_one_id_in_every_process_and_folder(tmp_path: Path) -> None:
    here = own_parts.told(own_parts.run())
    seen = [here, own_parts.told(own_parts.run())]
    for i, seed in enumerate(("0", "1", "4242")):
        folder = tmp_path / f"machine_{i}"
        folder.mkdir()
        zone = ("UTC", "Asia/Kolkata", "America/New_York")[i]
        run_id, configuration = elsewhere(folder, SOURCE, PYTHONHASHSEED=seed, TZ=zone)
        seen.append((run_id, json.dumps(configuration, sort_keys=True)))

    assert len({run_id for run_id, _ in seen}) == 1
    assert all(json.loads(one) == json.loads(here[1]) for _, one in seen)


def told_of(source: str, folder: str) -> tuple[str, dict[str, Any]]:
    """Run the user's file as it is loaded from a folder; return run_id and configuration."""
    module, before = ModuleType("own_parts"), sys.modules["own_parts"]
    module.__file__ = f"{folder}/own_parts.py"
    sys.modules["own_parts"] = module
    try:
        exec(compile(source, module.__file__, "exec"), vars(module))
        run_id, configuration = module.told(module.run())
    finally:
        sys.modules["own_parts"] = before
    return run_id, json.loads(configuration)


@pytest.mark.parametrize("folder", ["/home/me/project", "/usr/lib/python3/site-packages"])
def test_what_moves_a_number_changes_the_id(folder: str) -> None:
    """The user's code counts as a script and as an installed package."""
    run_id, configuration = told_of(SOURCE, folder)
    assert (run_id, configuration) == told_of(SOURCE, folder)
    for edit, (before, after) in EDITS.items():
        assert SOURCE.count(before) == 1, edit
        edited_id, edited = told_of(SOURCE.replace(before, after), folder)
        assert edited_id != run_id, edit
        assert edited != configuration, edit
        if edit == "a private parameter":
            assert (configuration["commission"]["_bp"], edited["commission"]["_bp"]) == (
                1.0,
                5_000.0,
            )


def test_comments_and_places_of_code_do_not_change_the_id() -> None:
    moved = SOURCE.replace("class Fee:", "# A comment.\n\n\nclass Fee:")

    assert told_of(moved, "/elsewhere")[0] == own_parts.told(own_parts.run())[0]


def test_the_number_of_threads_does_not_change_the_id() -> None:
    ids = set()
    for threads in (1, 2, 4):
        catalog = Catalog(threads=threads).register("prices", own_parts.PRICES)
        config = BacktestConfig(commission=own_parts.Fee(2.0))
        result = BacktestEngine(catalog, TopN(1, by="close"), config=config).run()
        ids.add(own_parts.told(result)[0])
    assert len(ids) == 1


def test_a_strategy_that_runs_twice_has_one_id_twice() -> None:
    class Mine(TopN):
        is_reusable = True

    strategy = Mine(1, by="close")
    catalog = Catalog().register("prices", own_parts.PRICES)
    first, second = (own_parts.told(BacktestEngine(catalog, strategy).run()) for _ in range(2))

    assert first == second


# -- values ---------------------------------------------------------------------------------


class Holds:
    def __init__(self, value: Any) -> None:
        self._value = value


class InSlots:
    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value


@dataclass
class Data:
    value: Any


Pair = namedtuple("Pair", "one two")


class Share(float):
    """A number of the user's own kind."""


def threshold(level: float) -> Callable[[float], bool]:
    return lambda x: x < level


@lru_cache
def cached(x: float) -> float:
    return x * 2


@lru_cache
def cached_otherwise(x: float) -> float:
    return x * 3


def by_name(n: int) -> int:
    return by_name(n - 1) if n else 0


def seeded(kind: Any, seed: int) -> Any:
    return kind(seed)


# Each is made twice: equal to itself made anew, unlike the other.
UNLIKE: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "numbers": (lambda: 1.0, lambda: 2.0),
    "a number and a flag": (lambda: 1, lambda: True),
    "numbers of an own kind": (lambda: Share(1.0), lambda: Share(2.0)),
    "lists in order": (lambda: [1, 2], lambda: [2, 1]),
    "list and tuple": (lambda: [1, 2], lambda: (1, 2)),
    "sets": (lambda: {"a", "b", "c"}, lambda: {"a", "b", "d"}),
    "mappings": (lambda: {"a": 1, "b": [2]}, lambda: {"a": 1, "b": [3]}),
    "named tuples": (lambda: Pair(1, 2), lambda: Pair(1, 3)),
    "long arrays": (
        lambda: np.arange(5_000.0),
        lambda: np.where(np.arange(5_000) == 2_500, 0.0, np.arange(5_000.0)),
    ),
    "arrays of kinds": (lambda: np.ones(3), lambda: np.ones(3, dtype=np.float32)),
    "arrays of shapes": (lambda: np.ones((2, 3)), lambda: np.ones((3, 2))),
    "arrays of objects": (lambda: np.array(["a", None]), lambda: np.array(["b", None])),
    "long pandas frames": (
        lambda: pd.DataFrame({"x": np.arange(500), "s": ["a"] * 500}),
        lambda: pd.DataFrame({"x": np.arange(500), "s": ["a"] * 250 + ["b"] + ["a"] * 249}),
    ),
    "an index": (lambda: pd.Series([1, 2], index=[0, 1]), lambda: pd.Series([1, 2], index=[0, 2])),
    "polars frames": (lambda: pl.DataFrame({"x": [1, 2]}), lambda: pl.DataFrame({"x": [1, 3]})),
    "names of columns": (lambda: pl.DataFrame({"x": [1]}), lambda: pl.DataFrame({"y": [1]})),
    "arrow tables": (lambda: pa.table({"x": [1, 2]}), lambda: pa.table({"x": [1, 3]})),
    "generators of numbers": (lambda: np.random.default_rng(1), lambda: np.random.default_rng(2)),
    "random of Python": (lambda: seeded(random.Random, 1), lambda: seeded(random.Random, 2)),
    "times": (lambda: timedelta(hours=1), lambda: timedelta(hours=2)),
    "closures": (lambda: threshold(1.0), lambda: threshold(2.0)),
    "lambdas": (lambda: lambda x: x in {"a", "b"}, lambda: lambda x: x in {"a", "c"}),
    "defaults": (lambda: lambda x, y=1: x + y, lambda: lambda x, y=2: x + y),
    "keyword defaults": (lambda: lambda *, y=1: y, lambda: lambda *, y=2: y),
    "partials": (lambda: partial(max, 1), lambda: partial(max, 2)),
    "methods of objects": (lambda: Data(1).__eq__, lambda: Data(2).__eq__),
    "cached functions": (lambda: cached, lambda: cached_otherwise),
    "private attributes": (lambda: Holds(1), lambda: Holds(2)),
    "slots": (lambda: InSlots(1), lambda: InSlots(2)),
    "dataclasses": (lambda: Data([1]), lambda: Data([2])),
    "objects in objects": (lambda: Holds([Data(1)]), lambda: Holds([Data(2)])),
    "a user's rule in a rule": (
        lambda: AllOf([StopLoss(0.1), own_parts.Leaves(2)]),
        lambda: AllOf([StopLoss(0.1), own_parts.Leaves(3)]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNLIKE)
def test_equal_values_have_equal_identities_and_others_do_not(case: str) -> None:
    one, other = UNLIKE[case]
    assert state_identity(one()) == state_identity(one())
    assert state_identity(Holds(one())) == state_identity(Holds(one()))
    assert state_identity(one()) != state_identity(other())
    assert user_identity(Holds(one())) != user_identity(Holds(other()))


def test_what_points_at_itself_has_an_identity() -> None:
    def ring(n: int, last: float) -> list[Data]:
        items = [Data(None) for _ in range(n)]
        for i, item in enumerate(items):
            item.value = [items[(i + 1) % n], items, last]
        return items

    assert state_identity(ring(3, 1.0)) == state_identity(ring(3, 1.0))
    assert state_identity(ring(3, 1.0)) != state_identity(ring(3, 2.0))
    assert state_identity(ring(2, 1.0)) != state_identity(ring(3, 1.0))
    assert state_identity(by_name) == state_identity(by_name)
    assert "..." in shown(ring(2, 1.0))


def test_shared_and_equal_parts_are_the_same() -> None:
    # What comes out of a pickle shares other objects than what went in.
    part = [1.0, [2.0]]
    assert state_identity([part, part]) == state_identity([[1.0, [2.0]], [1.0, [2.0]]])


def test_code_of_the_package_is_left_to_its_version() -> None:
    assert user_identity(TopN(1, by="close")) is None
    assert user_identity(StopLoss(0.1), BasisPointCommission(5)) is None
    assert with_code(StopLoss(0.1)) == repr(StopLoss(0.1))


def test_what_says_nothing_of_a_computation_is_told_by_its_kind() -> None:
    assert state_identity(Holds(threading.Lock())) == state_identity(Holds(threading.Lock()))
    assert state_identity(Holds(object())) == state_identity(Holds(object()))


def test_attributes_are_shown_without_addresses_and_in_order() -> None:
    assert attributes(own_parts.Fee()).keys() == {"_Fee__weekend", "_bp", "kinds", "me", "weights"}
    text = with_code(own_parts.Fee())
    assert text.startswith(
        "Fee(_Fee__weekend=0.0, _bp=1.0, kinds={'a', 'b', 'c'}, me=..., weights="
    )
    assert " at 0x" not in shown([threshold(1.0), object(), Holds(threading.Lock()), Holds])
    assert shown(list(range(1_000))).startswith("list(1000 items, #")


def test_hashing_costs_little() -> None:
    small = [own_parts.Fee(), own_parts.Leaves(), own_parts.Half(), threshold(1.0)]
    large = Holds([np.zeros(2_000_000), list(map(float, range(200_000)))])
    user_identity(*small)

    started = perf_counter()
    for _ in range(20):
        user_identity(*small)
    assert (perf_counter() - started) / 20 < 0.05
    started = perf_counter()
    user_identity(large)
    assert perf_counter() - started < 2
    # A graph in which every path is another one is cut off, and stays quick.
    nodes: list[Any] = [[i] for i in range(40)]
    for node in nodes:
        node.extend(nodes)
    started = perf_counter()
    state_identity(nodes)
    assert perf_counter() - started < 10
