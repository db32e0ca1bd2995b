"""Identity follows what a user's code reads: in packages, in functions, by a text."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest

from ml4t.backtest.core.identity import state_identity, user_identity

CONSTANT = {"of_users/__init__.py": "", "of_users/inner.py": "LEVEL = 1.0\n"}
# Each reads LEVEL of the module `of_users.inner`, and is `part` in a module of its own.
READERS = {
    "a package's module": "import of_users.inner\ndef part(x): return x * of_users.inner.LEVEL",
    "a module": "from of_users import inner\ndef part(x): return x * inner.LEVEL",
    "a name": "from of_users.inner import LEVEL\ndef part(x): return x * LEVEL",
    "all names": "from of_users.inner import *\ndef part(x): return x * LEVEL",
    "a name, when called": "def part():\n    from of_users.inner import LEVEL\n    return LEVEL",
    "a module, when called": "def part(x):\n    import of_users.inner as own\n    return own.LEVEL",
    "a package, when called": (
        "def part(x):\n    import of_users.inner\n    return of_users.inner.LEVEL"
    ),
    "in a function inside": (
        "def part(x):\n    def inside():\n        from of_users import inner\n"
        "        return inner.LEVEL\n    return inside"
    ),
    "an attribute": (
        "from of_users import inner\nclass Part:\n    def __init__(self): self.of = inner\n"
        "    def run(self): return self.of.LEVEL\npart = Part()"
    ),
    "a default": "from of_users import inner\ndef part(x, of=inner): return x * of.LEVEL",
    "a closure": (
        "def made():\n    from of_users import inner\n    return lambda x: inner.LEVEL\n"
        "part = made()"
    ),
    "a dict": "from of_users import inner\nof = {1: inner}\ndef part(x): return of[1].LEVEL",
    "getattr": "from of_users import inner\ndef part(x): return getattr(inner, 'LEVEL')",
    "globals": "from of_users.inner import LEVEL\ndef part(x): return globals()['LEVEL']",
    "a query": "from of_users.inner import LEVEL\ndef part(x): return x.query('y > @LEVEL')",
    "an import by name": (
        "from importlib import import_module\n"
        "def part(x): return import_module('of_users.inner').LEVEL"
    ),
    "modules that have each other": (
        "import of_users.inner\nof_users.inner.up = of_users\n"
        "def part(x): return of_users.inner.up.inner.LEVEL"
    ),
}


@pytest.fixture
def identity_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, str]], str]]:
    """Write a user's files, and return the identity of what one calls `part`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("of_users")]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def identity_of(files: dict[str, str]) -> str:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        forget()
        found = user_identity(importlib.import_module("of_users_part").part)
        assert found is not None
        return found

    yield identity_of
    forget()


@pytest.mark.parametrize("word", READERS)
def test_what_code_reads_of_a_users_module_counts(
    word: str, identity_of: Callable[[dict[str, str]], str]
) -> None:
    files = {**CONSTANT, "of_users_part.py": READERS[word]}
    before = identity_of(files)
    assert identity_of(files) == before
    assert identity_of({**files, "of_users/inner.py": "LEVEL = 2.0\n"}) != before


def test_what_it_does_not_read_does_not_count(
    identity_of: Callable[[dict[str, str]], str],
) -> None:
    files = {**CONSTANT, "of_users_part.py": READERS["a package, when called"]}
    assert identity_of(files) == identity_of(
        {**files, "of_users/inner.py": "LEVEL = 1.0\nOTHER = 3\n"}
    )


def test_an_import_of_what_is_not_there_or_of_a_library_runs_nothing(
    identity_of: Callable[[dict[str, str]], str],
) -> None:
    text = "def part(x):\n    import no_such_module, xdoctest, json\n    return x"
    before = set(sys.modules)
    files = {"of_users_part.py": text}
    assert identity_of(files) == identity_of(files)
    assert set(sys.modules) - before <= {"of_users_part"}


def test_the_arguments_of_code_count_by_their_names_and_kinds() -> None:
    kinds = ("a, b", "b, a", "a, /, b", "a, *, b", "a, *b", "a, **b")
    functions: list[FunctionType] = [eval(f"lambda {kind}: 1") for kind in kinds]
    assert len({state_identity(one) for one in functions}) == len(kinds)


def test_a_function_of_arrays_is_what_it_calls() -> None:
    made = [np.frompyfunc(lambda x: x + 1, 1, 1), np.frompyfunc(lambda x: x + 2, 1, 1)]
    assert state_identity(made[0]) != state_identity(made[1])
    assert state_identity(made[0]) == state_identity(np.frompyfunc(lambda x: x + 1, 1, 1))
    assert state_identity(np.add) != state_identity(np.subtract)
