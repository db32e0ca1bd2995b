"""What the project says of itself: interpreters, dependencies, make targets."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

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


def test_every_peer_of_the_benchmarks_can_be_installed_and_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = ROOT / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    peers = importlib.import_module("entrants").PEERS.values()
    setup = (folder / "peers" / "setup.sh").read_text(encoding="utf-8")
    installed = re.search(r"peers=\((numpy[^)]*)\)", setup)
    assert installed is not None
    assert {peer.place for peer in peers} == set(installed[1].split())
    for peer in peers:
        pins = (folder / "peers" / "requirements" / f"{peer.place}.txt").read_text(encoding="utf-8")
        assert [line for line in pins.split() if "==" not in line] == []
        assert (folder / "peers" / peer.script).read_text(encoding="utf-8").startswith('"""W1')
        assert peer.cannot


def test_a_table_of_the_benchmarks_shows_each_process_beside_the_floor_and_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    entrants, measure, tables, targets = (
        importlib.import_module(name) for name in ("entrants", "measure", "tables", "targets")
    )
    code = 'print(\'{"version": "1", "final_equity": 1.5, "fills": 2}\')'
    commands = {
        name: measure.Command([sys.executable, "-S", "-c", code])
        for name in (entrants.OURS, entrants.FLOOR)
    }
    commands["wbt"] = measure.Command([sys.executable, "-S", "-c", "raise SystemExit('no data')"])
    measured = measure.in_turn(commands, 1)
    lines = tables.table("B", "W1", measured).splitlines()
    assert {line.count("|") for line in lines[2:]} == {12}
    assert f"| {entrants.OURS} |" in lines[4]
    assert "| 1.500 | 2 |" in lines[4]
    assert "failed: no data" in lines[6]
    assert measured[entrants.OURS].cpu[0] > 0.0
    assert "B W1: cpu over numpy" in targets.target_table({("B", "W1"): measured})
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    run = (ROOT / "benchmarks" / "run.py").read_text(encoding="utf-8")
    assert [page.count(one) for one in re.findall(r"<!-- .*? -->", run)] == [1, 1]
