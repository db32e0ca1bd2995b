"""What the project says of itself: interpreters, dependencies, make targets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_interpreter_of_the_classifiers_is_one_that_make_tests() -> None:
    said = {
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    }
    tested = set(re.findall(r"python(3\.\d+)", MAKEFILE.split("PYTHONS ?=")[1].splitlines()[0]))
    assert said
    assert said <= tested
    oldest = min(said, key=lambda version: int(version.split(".")[1]))
    assert PROJECT["requires-python"] == f">={oldest}"


def test_every_dependency_has_a_lower_bound_and_the_parser_an_upper_one() -> None:
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    assert [line for line in lines if ">=" not in line] == []
    # The proofs of a user's SQL read its tree.
    assert [line for line in lines if line.startswith("sqlglot") and ",<" in line]


def test_the_fast_tests_are_there() -> None:
    names = re.search(r"^FAST := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert names is not None
    stems = names[1].replace("\\\n", " ").split()
    assert len(stems) > 20
    assert [one for one in stems if not (ROOT / "tests" / f"test_{one}.py").exists()] == []


def test_what_ends_up_in_a_release_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    include = tomllib.loads(text)["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in include if not (ROOT / name).exists()] == []
