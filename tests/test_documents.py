"""The three documents are a promise: each of their Python blocks is classified, and runs.

`document_table` is the table, `document_blocks` finds and runs; the tests of the blocks themselves
are in the modules beside this one.
"""

from __future__ import annotations

import ast
import importlib
import re

import pytest

import test_documents_architecture
import test_documents_integrated
import test_documents_patterns
import test_documents_signals
from conftest import SHARED_DATA
from document_blocks import BLOCKS, FENCE, FOLDER, Block, blocks_on, code_lines, imported
from document_table import TABLE, Fragment, StandIns, Unchanged, Why

REFERENCE = SHARED_DATA.parent / "reference"
DOCUMENTS = ("integrated-guide", "ml-signals-guide", "strategy-architecture")
MODULES = (
    test_documents_architecture,
    test_documents_integrated,
    test_documents_patterns,
    test_documents_signals,
)
FRAGMENTS = {name: entry for name, entry in TABLE.items() if isinstance(entry, Fragment)}
RUNNING = [name for name in TABLE if name not in FRAGMENTS]
STRATEGIES = [
    pytest.param(node, id=f"{name}: {node.name}")
    for name, block in BLOCKS.items()
    if name not in FRAGMENTS
    for node in block.classes
]


# -- the copies and the table ----------------------------------------------------------------------


def test_the_documents_are_the_ones_that_were_given() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(DOCUMENTS)
    if not REFERENCE.is_dir():
        pytest.skip("the documents are not next to this checkout")
    for name in DOCUMENTS:
        copied, given = (folder / f"{name}.md" for folder in (FOLDER, REFERENCE))
        assert copied.read_bytes() == given.read_bytes(), name


def test_every_block_of_python_is_found() -> None:
    text = "\n".join((FOLDER / f"{name}.md").read_text(encoding="utf-8") for name in DOCUMENTS)
    assert len(re.findall(rf"^\s*{FENCE}\s*py", text, re.MULTILINE)) == len(BLOCKS) == 74


def test_every_block_is_classified_as_it_stands() -> None:
    found = {name: (block.headings[-1], block.digest) for name, block in BLOCKS.items()}
    assert {name: (entry.heading, entry.digest) for name, entry in TABLE.items()} == found


def test_every_block_that_can_run_has_a_test_that_runs_it() -> None:
    tested = set().union(*(blocks_on(module) for module in MODULES))
    assert tested == set(RUNNING)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_is_one_for_the_reason_that_is_given(name: str) -> None:
    block, entry = BLOCKS[name], FRAGMENTS[name]
    if entry.why is Why.NO_PYTHON:
        assert not block.is_python
    elif entry.why is Why.ELLIPSIS:
        assert block.has_ellipsis
    else:
        assert {node.name for node in block.classes} <= OURS.keys() | LATER
    quoted = re.findall(r"`([^`]+)`", entry.reason)
    assert all(text.split("...")[0] in block.code for text in quoted)


@pytest.mark.parametrize("name", RUNNING)
def test_no_value_is_left_out_of_a_block_that_runs(name: str) -> None:
    assert BLOCKS[name].is_python
    # "..." inside of a text, as of an API key, is a text.
    assert not BLOCKS[name].has_ellipsis


@pytest.mark.parametrize("name", [n for n, entry in TABLE.items() if isinstance(entry, StandIns)])
def test_what_is_supplied_is_what_a_block_reads_and_does_not_import(name: str) -> None:
    block, needed = BLOCKS[name], TABLE[name].stand_ins
    short = {"polars.concat": "pl.concat"}
    for one in needed:
        assert re.search(rf"\b{re.escape(short.get(one, one))}\b", block.code), one
    assert not needed & imported(block)


def test_the_classes_count_what_the_documents_hold() -> None:
    kinds = [type(entry) for entry in TABLE.values()]
    assert {kind: kinds.count(kind) for kind in (Unchanged, StandIns, Fragment)} == {
        Unchanged: 5, StandIns: 53, Fragment: 16,
    }  # fmt: skip
    # Three of the five are comments.
    comments = [name for name, block in BLOCKS.items() if block.is_python and block.is_comment]
    assert [TABLE[name] for name in comments if not isinstance(TABLE[name], Unchanged)] == []
    assert len(comments) == 3


# -- designs, imports and length -------------------------------------------------------------------

# Where the classes live that the architecture document draws; LiveDataFeed comes later.
OURS = {
    "MarketData": "core.event",
    "HistoricalDataFeed": "data",
    "Strategy": "strategy.base",
    "DataFeed": "data",
}
LATER = {"LiveDataFeed"}


@pytest.mark.parametrize("name", [n for n, entry in FRAGMENTS.items() if entry.why is Why.DESIGN])
def test_a_class_that_was_a_design_has_what_the_design_shows(name: str) -> None:
    for node in BLOCKS[name].classes:
        if node.name in LATER:
            continue
        ours = getattr(importlib.import_module(f"ml4t.backtest.{OURS[node.name]}"), node.name)
        missing = {one for one in public_names(node) if not hasattr(ours, one)}
        assert not missing, node.name


def public_names(node: ast.ClassDef) -> set[str]:
    """Return the fields and methods of a class that its users see."""
    fields = {one.target.id for one in node.body
              if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)}  # fmt: skip
    methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
    return {one for one in fields | methods if not one.startswith("_") or one == "__iter__"}


# Of documented-api.md; LiveDataFeed and PaperBroker come later.
IMPORTS = {
    "": "BacktestEngine Engine Strategy BacktestConfig",
    ".data": "ParquetDataFeed HistoricalDataFeed PolarsDataFeed DataFeed",
    ".data.feature_provider": "FeatureProvider PrecomputedFeatureProvider CallableFeatureProvider",
    ".core.event": "MarketEvent MarketData",
    ".core.context": "Context ContextCache",
    ".risk": "RiskManager RiskContext RiskDecision VolatilityScaledStopLoss DynamicTrailingStop "
    "TimeBasedExit",
    ".risk.manager": "RiskManager RiskContext RiskDecision VolatilityScaledStopLoss "
    "DynamicTrailingStop TimeBasedExit",
    ".strategy.base": "Strategy",
    ".strategies": "SignalStrategy Rule PercentSizer TopNRotationStrategy",
    ".execution": "SimulationBroker",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, one) for module, names in IMPORTS.items() for one in names.split()],
)
def test_every_documented_import_resolves(module: str, name: str) -> None:
    found: dict[str, object] = {}
    exec(f"from ml4t.backtest{module} import {name}", found)
    assert found[name] is getattr(importlib.import_module(f"ml4t.backtest{module}"), name)


def test_every_import_of_the_package_in_the_documents_is_a_documented_one() -> None:
    pattern = re.compile(r"^from ml4t\.backtest([\w.]*) import (.+)$", re.MULTILINE)
    for block in BLOCKS.values():
        for module, names in pattern.findall(block.code):
            assert {one.strip() for one in names.split(",")} <= set(IMPORTS[module].split())


@pytest.mark.parametrize("node", STRATEGIES)
def test_a_strategy_of_the_documents_takes_less_than_50_lines(node: ast.ClassDef) -> None:
    assert 5 < code_lines(node) < 50


def test_lines_of_code_are_counted_without_comments_and_docstrings() -> None:
    text = """
class A:
    'Doc.'

    # One.
    def f(
        self,
    ):
        return (
            1
        )
"""
    block = Block(name="", headings=(), code=text)
    assert code_lines(block.classes[0]) == 6
