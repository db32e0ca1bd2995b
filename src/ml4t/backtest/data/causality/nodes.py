"""Nodes of a plan: steps and expressions as DuckDB writes them in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

PlanNode = Mapping[str, Any]
AnyColumn = TypeVar("AnyColumn")
COMPARISONS = {
    "COMPARE_EQUAL": "=", "COMPARE_NOT_DISTINCT_FROM": "=",
    "COMPARE_LESSTHAN": "<=", "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">=", "COMPARE_GREATERTHANOREQUALTO": ">=",
}  # fmt: skip
# Types of times, by how fine they are. A cast to a finer one changes no time.
FINER = {
    "DATE": 0, "TIMESTAMP_S": 1, "TIMESTAMP_MS": 2, "TIMESTAMP": 3,
    "TIMESTAMP WITH TIME ZONE": 3, "TIMESTAMP_NS": 4,
}  # fmt: skip
# What is no value of a row: parameters of a lambda, and what a function was bound with.
_NOT_VALUES = ("lambda_expr", "function_data", "return_type", "value", "qname")


class PlanError(Exception):
    """A plan that is not as this proof takes plans to be."""


def function_in(node: PlanNode) -> str:
    """Return the name of the function that a node calls; empty for what calls none."""
    path = node.get("qname", {}).get("path", ()) if isinstance(node.get("qname"), Mapping) else ()
    return str(path[-1]) if path else ""


def constant(node: PlanNode) -> object:
    """Return the value that a node is, casts of it removed; None: it is none, or NULL."""
    while node["type"] == "OPERATOR_CAST":
        node = node["children"][0]
    if node["type"] != "VALUE_CONSTANT" or node["value"].get("is_null"):
        return None
    found: object = node["value"].get("value")
    return found


def type_of(node: PlanNode) -> str:
    """Return the name of the type of an expression."""
    return str(node.get("return_type", node.get("value", {}).get("type", {})).get("id", ""))


def parts_in(node: PlanNode) -> Iterator[PlanNode]:
    """Yield the expressions that a node is made of, without a lambda's own parameters."""
    for name, part in node.items():
        if name not in _NOT_VALUES:
            yield from _expressions(part)


def _expressions(part: object) -> Iterator[PlanNode]:
    if isinstance(part, Mapping):
        if "expression_class" in part:
            yield part
        else:
            for one in part.values():
                yield from _expressions(one)
    elif isinstance(part, list):
        for one in part:
            yield from _expressions(one)


def nodes_of(node: object) -> Iterator[PlanNode]:
    """Yield every step and expression of a plan."""
    if isinstance(node, Mapping):
        yield node
        for part in node.values():
            yield from nodes_of(part)
    elif isinstance(node, list):
        for part in node:
            yield from nodes_of(part)


def column_at(node: PlanNode, cells: Sequence[AnyColumn]) -> AnyColumn:
    """Return the column that a node refers to."""
    if node["index"] >= len(cells):
        raise PlanError(f"a step of its plan has no column {node['index']}")
    return cells[node["index"]]


def moved_along(node: Any, by: int) -> Any:
    """Return an expression whose columns stand so many places further on."""
    if isinstance(node, Mapping):
        new = {name: part if name in _NOT_VALUES else moved_along(part, by)
               for name, part in node.items()}  # fmt: skip
        return {**new, "index": node["index"] + by} if node.get("type") == "BOUND_REF" else new
    return [moved_along(part, by) for part in node] if isinstance(node, list) else node


def both_ways(
    pair: Sequence[PlanNode],
) -> tuple[tuple[PlanNode, PlanNode], tuple[PlanNode, PlanNode]]:
    """Return the two sides of a comparison in both orders."""
    one, other = pair
    return (one, other), (other, one)


def all_conditions(condition: PlanNode) -> Iterator[PlanNode]:
    """Yield the conditions that must all be true."""
    if condition["type"] == "CONJUNCTION_AND":
        for part in condition["children"]:
            yield from all_conditions(part)
    else:
        yield condition
