"""ARCHITECTURE.md says what is so: its paths, its names, its rooms and its tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "ml4t" / "backtest"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w./:]+)`", PAGE)))
PATHS = [name for name in NAMED if "/" in name or name.endswith(".py") or ".py:" in name]


def file_of(name: str) -> Path:
    path = name.split(":")[0]
    return (ROOT if path.startswith(("sql/", "tests/", "src/")) else PACKAGE) / path


def defined(tree: ast.AST, names: list[str]) -> bool:
    """Whether a dotted name is defined in a module: a class, a function, or a method of one."""
    if not names:
        return True
    kinds = (ast.ClassDef, ast.FunctionDef)
    return any(
        isinstance(node, kinds) and node.name == names[0] and defined(node, names[1:])
        for node in ast.iter_child_nodes(tree)
    )


def test_the_page_names_paths() -> None:
    assert len(PATHS) > 50


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_there_and_defines_what_the_page_says(name: str) -> None:
    path, _, names = name.partition(":")
    assert file_of(path).exists()
    if names:
        tree = ast.parse(file_of(path).read_text(encoding="utf-8"))
        assert defined(tree, names.lstrip(":").split("."))


def test_every_folder_of_the_package_is_a_room_of_the_page() -> None:
    section = PAGE.split("## The rooms")[1].split("##")[0]
    said = set(re.findall(r"^\| `([\w/]+)/`", section, re.MULTILINE))
    folders = {
        path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")
    } - {".", "data", "execution", "risk"}  # fmt: skip
    assert said == folders


def test_every_line_of_where_to_add_names_the_test_that_holds_it() -> None:
    section = PAGE.split("## Where to add")[1].split("##")[0]
    rows = [line.split("|")[1:4] for line in section.strip().splitlines()[2:]]
    assert len(rows) >= 9
    for _, where, held in rows:
        assert "`" in where
        assert re.fullmatch(r" `tests/\w+\.py::test_\w+` ", held)


def test_a_fill_timing_is_one_class() -> None:
    """No module but that of the timings names one of them to ask which it is."""
    tree = ast.parse((PACKAGE / "execution" / "timing.py").read_text(encoding="utf-8"))
    timings = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "FillTiming" for base in node.bases)
    }
    assert len(timings) >= 4
    asking = [
        (path.name, node.lineno)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "isinstance"
        and timings & {one.id for one in ast.walk(node.args[1]) if isinstance(one, ast.Name)}
    ]
    assert asking == []
