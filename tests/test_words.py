"""One number and one word: each has one home in the package."""

from __future__ import annotations

import ast
import re

from source_files import modules, sql_files, statement


def test_every_tolerance_lies_in_the_module_that_orders_them() -> None:
    """A number so small is a bound for rounding."""
    small = {
        f"{module}: {node.value!r}"
        for module, tree in modules().items()
        if module != "core.tolerances"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and 0 < node.value <= 1e-5
    }
    small |= {
        f"{name}: {number}"
        for name, text in sql_files().items()
        for number in re.findall(r"(?<!\w)\d[\d.]*(?:e[+-]?\d+)?", statement(text), re.IGNORECASE)
        if 0 < float(number) <= 1e-5
    }
    assert small == set()
    values = [
        node.value.value
        for node in modules()["core.tolerances"].body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    ]
    assert values == sorted(values)


def top_level(tree: ast.Module) -> set[str]:
    """Names that a module gives itself, but for those that it keeps private."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            found.update(one.id for one in parts if isinstance(one, ast.Name))
    return {name for name in found if not name.startswith("_")}


def test_one_word_is_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for module, tree in modules().items():
        for name in top_level(tree):
            homes.setdefault(name, []).append(module)
    homes["app"].remove("cli.exploring.app")  # marimo finds its notebook by this word
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
    assert len(homes) > 400
