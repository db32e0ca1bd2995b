"""Identity: equal inputs have one run_id everywhere, and whatever moves a number changes it."""

from __future__ import annotations

import itertools
import json
import logging
import os
import pickle
import random
import re
import subprocess
import sys
import threading
import weakref
from argparse import Namespace
from array import array
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from copy import deepcopy
from ctypes import c_double
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial, partialmethod
from io import StringIO
from pathlib import Path, PurePosixPath
from queue import Queue
from statistics import NormalDist
from struct import Struct
from time import perf_counter
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import ml4t.backtest
import own_parts
from effort import share, some
from ml4t.backtest import BacktestConfig, BacktestEngine, BasisPointCommission, Catalog, TopN
from ml4t.backtest.core.identity import state_identity, user_identity
from ml4t.backtest.core.parts import attributes
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
    machines = [("4242", "America/New_York"), ("0", "UTC"), ("1", "Asia/Kolkata")]
    for seed, zone in some(machines, 2):
        folder = tmp_path / f"machine_{seed}"
        folder.mkdir()
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


FOLDERS = ["/home/me/project", "/usr/lib/python3/site-packages"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_moves_a_number_changes_the_id(folder: str) -> None:
    """The user's code counts as a script and as an installed package."""
    run_id, configuration = told_of(SOURCE, folder)
    assert (run_id, configuration) == told_of(SOURCE, folder)
    for edit, (before, after) in share([*EDITS.items()], FOLDERS.index(folder), 2):
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


class Ordered(OrderedDict[str, int]):
    """An ordered dict of the user's own kind."""


class Bag(list[int]):
    def __init__(self, items: list[int], label: int) -> None:
        super().__init__(items)
        self.label = label


class Table(dict[str, int]):
    """A dict of the user's own kind."""


class Dice(random.Random):
    """A generator of the user's own kind."""


class HidesDice(random.Random):
    def __getstate__(self) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return (HidesDice, (0,))


class Hides(Holds):
    def __reduce__(self) -> tuple[Any, ...]:
        return (Hides, (0,))


class Tagged(np.ndarray):
    tag: int


class Frame(pd.DataFrame):
    """A frame of the user's own kind."""


class Side(Enum):
    BUY = 1
    SELL = -1


KEPT = [Holds(1), Holds(2)]


def autumn(fold: int) -> list[datetime]:
    return [datetime(2024, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=fold)]


def days_of(zone: str) -> pd.Series:
    return pd.Series(pd.DatetimeIndex([pd.Timestamp(0, tz="UTC")]).tz_convert(zone))


def queued(item: int) -> Queue[int]:
    queue: Queue[int] = Queue()
    queue.put(item)
    return queue


def in_context(item: int) -> ContextVar[int]:
    variable: ContextVar[int] = ContextVar("item")
    variable.set(item)
    return variable


def tagged(tag: int) -> Tagged:
    found = np.zeros(1).view(Tagged)
    found.tag = tag
    return found


def noted(note: int) -> pd.DataFrame:
    frame = pd.DataFrame({"x": [1]})
    frame.attrs["note"] = note
    return frame


def marked(mark: int) -> Any:
    def function() -> int:
        return 1

    function.mark = mark  # type: ignore[attr-defined]
    return function


def local(**said: Any) -> Any:
    return type("Local", (Data,), {"__module__": __name__, **said})


def chain(n: int, last: float, points_back: bool = False) -> Data:
    end = first = Data(last)
    for _ in range(n):
        first = Data([first])
    if points_back:
        end.value = [last, first]
    return first


def reading(held: Any) -> Callable[[], Any]:
    """Return a function that reads a global."""
    known = {"__name__": __name__, "HELD": held}
    exec("def read(): return HELD", known)
    return known["read"]


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
    "dicts in order": (lambda: {"a": 80, "b": 80}, lambda: {"b": 80, "a": 80}),
    "dicts in order in a dict": (lambda: {1: {"a": 1, "b": 1}}, lambda: {1: {"b": 1, "a": 1}}),
    "numbers longer than text": (lambda: 10**5_000, lambda: 10**5_000 + 1),
    "rows": (lambda: [("a", 1.0), ("b", 2.0)], lambda: [("a", 1.0), ("b", 2.5)]),
    "rows and lists": (lambda: [("a", 1.0)], lambda: [["a", 1.0]]),
    "times without and with a zone": (
        lambda: [datetime(2024, 1, 1)],
        lambda: [datetime(2024, 1, 1, tzinfo=UTC)],
    ),
    "zones": (
        lambda: [datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))],
        lambda: [datetime(2024, 1, 1, tzinfo=ZoneInfo("Asia/Seoul"))],
    ),
    "an hour that comes twice": (lambda: autumn(0), lambda: autumn(1)),
    "spaces of names": (lambda: SimpleNamespace(n=1), lambda: SimpleNamespace(n=2)),
    "parsed arguments": (lambda: Namespace(n=1), lambda: Namespace(n=2)),
    "arrays of Python": (lambda: array("d", [1]), lambda: array("d", [2])),
    "bytes that change": (lambda: bytearray(b"1"), lambda: bytearray(b"2")),
    "views of bytes": (lambda: memoryview(b"1"), lambda: memoryview(b"2")),
    "distributions": (lambda: NormalDist(1, 1), lambda: NormalDist(2, 1)),
    "views of keys": (lambda: {1: 1}.keys(), lambda: {2: 1}.keys()),
    "views of values": (lambda: {1: 1}.values(), lambda: {1: 2}.values()),
    "views of items": (lambda: {1: 1}.items(), lambda: {1: 2}.items()),
    "read-only dicts": (lambda: MappingProxyType({1: 1}), lambda: MappingProxyType({1: 2})),
    "chained dicts": (lambda: ChainMap({1: 1}), lambda: ChainMap({1: 2})),
    "dicts with a default": (lambda: defaultdict(int), lambda: defaultdict(float)),
    "counters": (lambda: Counter("aab"), lambda: Counter("abb")),
    "ordered dicts": (lambda: OrderedDict(a=1, b=1), lambda: OrderedDict(b=1, a=1)),
    "ordered dicts of one's own": (lambda: Ordered(a=1, b=1), lambda: Ordered(b=1, a=1)),
    "rings of items": (lambda: deque([1, 2]), lambda: deque([1, 3])),
    "lengths of rings": (lambda: deque([1], maxlen=2), lambda: deque([1], maxlen=3)),
    "queues": (lambda: queued(1), lambda: queued(2)),
    "texts in memory": (lambda: StringIO("1"), lambda: StringIO("2")),
    "counts": (lambda: itertools.count(1), lambda: itertools.count(2)),
    "cycles": (lambda: itertools.cycle([1]), lambda: itertools.cycle([2])),
    "iterators": (lambda: iter([1, 2]), lambda: iter([1, 3])),
    "iterators of sets": (lambda: iter({"a", "b"}), lambda: iter({"a", "c"})),
    "generators": (lambda: (i for i in [1]), lambda: (i for i in [2])),
    "variables of a context": (lambda: in_context(1), lambda: in_context(2)),
    "numbers of C": (lambda: c_double(1), lambda: c_double(2)),
    "layouts of bytes": (lambda: Struct("1s"), lambda: Struct("2s")),
    "patterns": (lambda: re.compile("a"), lambda: re.compile("a", re.IGNORECASE)),
    "paths": (lambda: PurePosixPath("a/b"), lambda: PurePosixPath("a/c")),
    "decimals": (lambda: Decimal("1.0"), lambda: Decimal("1.00")),
    "members of an enumeration": (lambda: Side.BUY, lambda: Side.SELL),
    "methods of a dict": (lambda: {"a": 1}.get, lambda: {"a": 2}.get),
    "methods of C": (lambda: str.upper, lambda: str.lower),
    "kinds of lists": (lambda: list[int], lambda: list[str]),
    "what a reference points at": (lambda: weakref.ref(KEPT[0]), lambda: weakref.ref(KEPT[1])),
    "masks": (
        lambda: np.ma.masked_array([1.0], [False]),
        lambda: np.ma.masked_array([1.0], [True]),
    ),
    "attributes of an array": (lambda: tagged(1), lambda: tagged(2)),
    "fields of an array": (
        lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        lambda: np.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]),
    ),
    **({
        "texts of numpy": (
            lambda: np.array(["a" * 40], dtype=np.dtypes.StringDType()),
            lambda: np.array(["b" * 40], dtype=np.dtypes.StringDType()),
        ),
    } if hasattr(np.dtypes, "StringDType") else {}),  # NumPy 2 has them
    "scalars of numpy": (lambda: [np.float64(1)], lambda: [np.float64(2)]),
    "vectorized functions": (
        lambda: np.vectorize(threshold(1.0)),
        lambda: np.vectorize(threshold(2.0)),
    ),
    "polynomials": (lambda: np.poly1d([1]), lambda: np.poly1d([2])),
    "nulls": (
        lambda: pl.Series([1.0, None, 2.0], dtype=pl.Float64),
        lambda: pl.Series([1.0, float("nan"), 2.0]),
    ),
    "lists in polars": (lambda: pl.Series([[1], [2]]), lambda: pl.Series([[1], [3]])),
    "categories": (
        lambda: pl.Series(["a", "b"], dtype=pl.Categorical),
        lambda: pl.Series(["a", "c"], dtype=pl.Categorical),
    ),
    "decimals of polars": (
        lambda: pl.Series([Decimal("1.5")]),
        lambda: pl.Series([Decimal("2.5")]),
    ),
    "lazy frames": (lambda: pl.LazyFrame({"x": [1]}), lambda: pl.LazyFrame({"x": [2]})),
    "expressions": (lambda: pl.col("x") > 1, lambda: pl.col("x") > 2),
    "names of polars series": (lambda: pl.Series("x", [1]), lambda: pl.Series("y", [1])),
    "arrow scalars": (lambda: pa.scalar(1), lambda: pa.scalar(2)),
    "arrow expressions": (lambda: pc.field("x") > 1, lambda: pc.field("x") > 2),
    "arrow arrays": (lambda: pa.array([1, None]), lambda: pa.array([1, 0])),
    "arrow texts": (lambda: pa.array(["a", None]), lambda: pa.array(["a", "b"])),
    "intervals": (lambda: pd.Interval(0, 1), lambda: pd.Interval(0, 2)),
    "times of pandas": (lambda: [pd.Timestamp(1)], lambda: [pd.Timestamp(2)]),
    "zones of pandas": (lambda: days_of("Asia/Tokyo"), lambda: days_of("Asia/Seoul")),
    "names of pandas series": (lambda: pd.Series([1], name="x"), lambda: pd.Series([1], name="y")),
    "names of an index": (lambda: pd.Index([1], name="x"), lambda: pd.Index([1], name="y")),
    "indices of levels": (
        lambda: pd.MultiIndex.from_tuples([(1, 2)]),
        lambda: pd.MultiIndex.from_tuples([(1, 3)]),
    ),
    "numbers with nulls": (
        lambda: pd.Series([1, None], dtype="Int64"),
        lambda: pd.Series([1, 0], dtype="Int64"),
    ),
    "order of categories": (
        lambda: pd.Series(pd.Categorical(["a"], categories=["a", "b"], ordered=True)),
        lambda: pd.Series(pd.Categorical(["a"], categories=["b", "a"], ordered=True)),
    ),
    "notes of a frame": (lambda: noted(1), lambda: noted(2)),
    "frames of one's own": (lambda: Frame({"x": [1]}), lambda: Frame({"x": [2]})),
    "attributes of functions": (lambda: marked(1), lambda: marked(2)),
    "defaults that change": (lambda: lambda x=[1]: x, lambda: lambda x=[2]: x),
    "local classes": (lambda: local(m=1), lambda: local(m=2)),
    "calls by a partial": (
        lambda: local(__call__=partialmethod(Data.__eq__, 1))(1),
        lambda: local(__call__=partialmethod(Data.__eq__, 2))(1),
    ),
    "containers of one's own": (lambda: Bag([1], 1), lambda: Bag([1], 2)),
    "items of containers of one's own": (lambda: Bag([1], 1), lambda: Bag([2], 1)),
    "generators of one's own": (lambda: Dice(1), lambda: Dice(2)),
    "what says to be pickled as nothing": (lambda: Hides(1), lambda: Hides(2)),
    "what says so of a library's state": (lambda: HidesDice(1), lambda: HidesDice(2)),
    "dicts of one's own": (lambda: Table(a=1, b=1), lambda: Table(b=1, a=1)),
    "chains": (lambda: chain(1_200, 1.0), lambda: chain(1_200, 2.0)),
    "chains that point back": (lambda: chain(1_200, 1.0, True), lambda: chain(1_200, 2.0, True)),
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
    assert user_identity(reading(one())) == user_identity(reading(one()))
    assert user_identity(reading(one())) != user_identity(reading(other()))


def in_chunks(*parts: dict[str, list[Any]]) -> pl.DataFrame:
    schema = {"x": pl.Int64, "s": pl.String}
    return pl.concat([pl.DataFrame(part, schema=schema) for part in parts], rechunk=False)


# Each pair is one value, made in two ways.
ALIKE: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "sets": (lambda: {"a", "b", "c"}, lambda: {"c", "b", "a"}),
    "arguments by name": (lambda: partial(max, a=1, b=2), lambda: partial(max, b=2, a=1)),
    "attributes": (lambda: SimpleNamespace(a=1, b=2), lambda: SimpleNamespace(b=2, a=1)),
    "shared parts": (lambda: [KEPT[0]] * 2, lambda: [KEPT[0], Holds(1)]),
    "shared rows": (lambda: [(1, 2)] * 2, lambda: [(1, 2), (1, 2)]),
    "chunks": (
        lambda: pl.DataFrame({"x": [1, 2], "s": ["a", None]}),
        lambda: in_chunks({"x": [1], "s": ["a"]}, {"x": [2], "s": [None]}),
    ),
    "slices of polars": (
        lambda: pl.Series([2.0, None]),
        lambda: pl.Series([1.0, 2.0, None, 4.0]).slice(1, 2),
    ),
    "slices of arrow": (lambda: pa.array([2, None]), lambda: pa.array([1, 2, None]).slice(1)),
    "what stands under a null": (
        lambda: pl.Series([1, None]),
        lambda: pl.select(pl.when(pl.Series([True, False])).then(pl.Series([1, 7]))).to_series()
        .alias(""),
    ),
    "blocks of pandas": (
        lambda: pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}),
        lambda: pd.DataFrame(np.array([[1.0, 3.0], [2.0, 4.0]]), columns=["x", "y"]),
    ),
    "order in memory": (
        lambda: np.arange(6.0).reshape(2, 3),
        lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ),
    "every other item": (lambda: np.arange(0, 6, 2), lambda: np.arange(6)[::2]),
    "levels that nothing is in": (
        lambda: pd.MultiIndex.from_tuples([(1, 2)]),
        lambda: pd.MultiIndex.from_tuples([(1, 2), (3, 4)])[:1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ALIKE)
def test_a_value_has_one_identity_however_it_was_made(case: str) -> None:
    one, same = ALIKE[case]
    assert state_identity(one()) == state_identity(same())


def let_go(raw: bytes) -> memoryview:
    view = memoryview(raw)
    view.release()
    return view


# Each is known by its class: of another process, machine or moment, or closed to everybody.
BY_CLASS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "locks": (threading.Lock, threading.Lock),
    "threads": (lambda: threading.Thread(name="a"), lambda: threading.Thread(name="b")),
    "pools": (lambda: ThreadPoolExecutor(1), lambda: ThreadPoolExecutor(2)),
    "loggers": (lambda: logging.getLogger("a"), lambda: logging.getLogger("b")),
    "environments": (lambda: os.environ, lambda: type(os.environ)({}, *[str] * 4)),
    "generators of the process": (lambda: random.random, lambda: random.random),
    "the system's random": (random.SystemRandom, random.SystemRandom),
    "views that were let go": (lambda: let_go(b"1"), lambda: let_go(b"2")),
    "weak dicts": (lambda: WeakValueDictionary(a=KEPT[0]), WeakValueDictionary),
    "Python in a plan": (
        lambda: pl.col("x").map_batches(lambda x: x),
        lambda: pl.col("x").map_batches(lambda x: x + 1),
    ),
    "Python in a lazy frame": (
        lambda: pl.LazyFrame({"x": [1]}).select(pl.col("x").map_batches(lambda x: x)),
        lambda: pl.LazyFrame({"x": [1]}).select(pl.col("x").map_batches(lambda x: x + 1)),
    ),
}


@pytest.mark.parametrize("case", BY_CLASS)
def test_what_cannot_be_told_is_known_by_its_class(case: str) -> None:
    one, other = (make() for make in BY_CLASS[case])
    assert state_identity(Holds(one)) == state_identity(Holds(other))
    assert state_identity(Holds(one)) != state_identity(Holds(object()))
    random.seed(1)
    before = state_identity(one)
    random.seed(2)
    assert state_identity(one) == before


def test_files_are_known_by_their_class(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        assert state_identity(one) == state_identity(other)


def identities() -> dict[str, str]:
    """Return the identity of every value of the tables."""
    tables = {"unlike": UNLIKE, "alike": ALIKE, "by class": BY_CLASS}
    return {
        f"{table}, {case}, {i}": state_identity(Holds(make()))
        for table, cases in tables.items()
        for case, makers in cases.items()
        for i, make in enumerate(makers)
    }


def test_values_have_one_identity_in_every_process(tmp_path: Path) -> None:
    here = identities()
    script = "import json, sys, test_identity as t; sys.stdout.write(json.dumps(t.identities()))"
    tests = Path(__file__).resolve().parent
    copies = [tmp_path / f"{name}.py" for name in ("test_identity", "own_parts", "effort")]
    for copy in copies:
        copy.write_bytes((tests / copy.name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ
        | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PACKAGE}", "PYTHONHASHSEED": "4242"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    assert {case for case in here if here[case] != there[case]} == set()


def test_a_catalog_is_what_is_registered() -> None:
    catalog = Catalog().register("prices", own_parts.PRICES)
    before = state_identity(catalog)
    BacktestEngine(catalog, TopN(1, by="close")).run()
    assert state_identity(catalog) == before
    other = own_parts.PRICES | {"close": own_parts.CLOSES[::-1]}
    assert state_identity(Catalog().register("prices", other)) != before


def test_a_copy_has_the_identity_of_what_it_is_of() -> None:
    kept = [Side.BUY, Data([1.0]), {"a": Bag([1], 2)}, np.random.default_rng(1), own_parts.Fee()]
    kept.append({"again": kept[1], "days": days_of("Asia/Tokyo"), "queue": deque(kept[:2])})

    assert state_identity(pickle.loads(pickle.dumps(kept))) == state_identity(kept)
    assert state_identity(deepcopy(kept)) == state_identity(kept)


def test_the_last_item_of_a_long_table_counts() -> None:
    days = [datetime(2024, 1, 1) + timedelta(days=i) for i in range(200)]
    table = {(f"S{i}", day): float(i) for i in range(200) for day in days}
    nested = {f"S{i}": dict.fromkeys(days, float(i)) for i in range(200)}
    before = state_identity(table), state_identity(nested)
    assert before == (state_identity(dict(table)), state_identity(deepcopy(nested)))
    table["S199", days[-1]] = nested["S199"][days[-1]] = -1.0
    assert state_identity(table) != before[0]
    assert state_identity(nested) != before[1]

    items = list(range(40_000))
    assert state_identity(items) != state_identity([*items[:-1], -1])
    held = [[item] for item in items]
    assert state_identity(held) != state_identity([*held[:-1], [-1]])


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
    # In which every path is another one, and in which every step has two of them.
    nodes: list[Any] = [[i] for i in range(40)]
    for node in nodes:
        node.extend(nodes)
    steps: list[Any] = [1.0, []]
    for _ in range(200):
        steps = [steps, steps]
    for many in (nodes, steps, [(("a", 1.0), [one]) for one in range(50_000)]):
        started = perf_counter()
        state_identity(many)
        assert perf_counter() - started < 10
