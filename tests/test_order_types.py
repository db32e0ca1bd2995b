"""Order types: each is one class, and nobody else asks an order of which type it is."""

from __future__ import annotations

import ast

from ml4t.backtest.execution.orders.order import OrderType
from ml4t.backtest.execution.orders.types import TYPES
from ml4t.backtest.strategy.order_terms import OrderTerms
from source_files import modules


def kinds(kind: type[OrderType]) -> set[type[OrderType]]:
    found = set(kind.__subclasses__())
    return found.union(*(kinds(one) for one in found))


def test_every_class_of_an_order_type_can_be_ordered() -> None:
    assert {type(one) for one in TYPES} == kinds(OrderType)
    assert len({str(one) for one in TYPES}) == len(TYPES) >= 6


def test_every_order_type_is_asked_by_words_of_its_own() -> None:
    asked = [words for one in TYPES for words in one.asked_by]
    assert all(one.asked_by for one in TYPES)
    assert len(set(asked)) == len(asked)
    assert frozenset().union(*asked) <= set(OrderTerms.__annotations__)


def test_an_order_type_is_a_text() -> None:
    assert [one for one in TYPES if one == "stop_limit"] == ["stop_limit"]
    assert f"a {TYPES[0]} order" == "a market order"


def test_no_code_compares_the_type_of_an_order() -> None:
    compared = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(
            isinstance(one, ast.Attribute) and one.attr == "order_type"
            for one in (node.left, *node.comparators)
        )
    ]
    assert compared == []
