"""Aliases: the guides' names and the words mean the same, and there are no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from ml4t.backtest import BacktestError, ConfigError, Strategy, execution, risk, strategies
from ml4t.backtest.core.aliases import ALIASES, HELPERS, PROVIDER
from ml4t.backtest.risk import DynamicTrailingStop
from ml4t.backtest.runfile_tables import RULES, build

PACKAGE = Path(__file__).parents[1] / "src" / "ml4t" / "backtest"
# What a fraction, a column or a schedule might be called beside its word.
SECOND = re.compile(r"(^|_)(pct|percent|percentage|frac|freq|frequency|col)$|_key$")
PAIRS = [(kind, word, name) for kind, names in ALIASES.items() for word, name in names.items()]
VALUES: dict[str, object] = {
    "fraction": 0.25, "column": "x", "volatility_column": "x", "volume_column": "x",
    "max_fraction": 0.25, "n": 3, "every": 7,
}  # fmt: skip
BESIDE: dict[str, dict[str, Any]] = {"VolatilitySizer": {"risk": 0.01}}


def kind_of(name: str) -> Any:
    return next(getattr(one, name) for one in (risk, strategies, execution) if hasattr(one, name))


@pytest.mark.parametrize(("kind", "word", "name"), PAIRS)
def test_a_word_and_the_guides_name_make_the_same(kind: str, word: str, name: str) -> None:
    make, value, beside = kind_of(kind), VALUES[word], BESIDE.get(kind, {})
    made = make(**{word: value}, **beside)
    assert made == make(**{name: value}, **beside)
    assert getattr(made, name) == value
    with pytest.raises(ConfigError, match=f"{word} and {name} of {kind} say the same"):
        make(**{word: value, name: value}, **beside)


def test_a_run_file_takes_the_words_too() -> None:
    made = build(RULES, {"rule": "DynamicTrailingStop", "fraction": 0.1}, "[[risk]] number 1")
    assert made == DynamicTrailingStop(0.1)
    with pytest.raises(BacktestError, match="has the unknown key 'fractoin'"):
        build(RULES, {"rule": "DynamicTrailingStop", "fractoin": 0.1}, "[[risk]] number 1")


def test_every_helper_of_the_table_takes_its_fraction_under_the_guides_name() -> None:
    for method, name in HELPERS.items():
        assert name in getattr(Strategy, method).__code__.co_varnames


def test_no_argument_but_those_of_the_table_has_a_second_spelling_of_a_word() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found |= {(node.name, name) for name in arguments(node) if SECOND.search(name)}
    table = {(kind, name) for kind, _, name in PAIRS if SECOND.search(name)}
    helpers = {("Helpers", name) for name in HELPERS.values()}
    provider = {("PrecomputedFeatureProvider", name) for name in PROVIDER}
    assert found == table | helpers | provider


def arguments(node: ast.ClassDef) -> set[str]:
    """Return the public fields of a class, and the arguments of its public methods."""
    fields = {
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    methods = [
        one
        for one in node.body
        if isinstance(one, ast.FunctionDef)
        and (one.name == "__init__" or not one.name.startswith("_"))
    ]
    given = {a.arg for one in methods for a in (*one.args.args, *one.args.kwonlyargs)}
    return {name for name in fields | given if not name.startswith("_")}
