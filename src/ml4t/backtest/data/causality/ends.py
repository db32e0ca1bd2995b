"""Ends of intervals: NULL as long as they are to come, so that NULL must count as later.

That an interval ends later is not known in time, but whether it has ended is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ml4t.backtest.data.causality.facts import Symbol
from ml4t.backtest.data.causality.nodes import (
    COMPARISONS,
    FINER,
    PlanNode,
    both_ways,
    column_at,
    constant,
    type_of,
)
from ml4t.backtest.data.causality.relation import Cell

# By which an end that is to come is later than a time, as NULL is taken to be.
_IS_LATER = ("COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO")
_IS_EARLIER = ("COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO")
# A text that stands for a time after all others.
_FAR = re.compile(r"\s*(infinity|(2[2-9]|[3-9]\d)\d\d-.*)", re.IGNORECASE)


def beside_ends(node: PlanNode, cells: Sequence[Cell]) -> list[PlanNode]:
    """Return the times with which ends are compared, where NULL counts as a later end.

    That is ``end is null or end > time`` and ``coalesce(end, 'infinity') > time``; nothing of all
    else.
    """
    if node["type"] == "CONJUNCTION_OR":
        return _beside_null(node["children"], cells)
    if node["type"] in COMPARISONS:
        return [side for one, side in both_ways(node["children"]) if _is_filled(one, cells)]
    return []


def _beside_null(parts: Sequence[PlanNode], cells: Sequence[Cell]) -> list[PlanNode]:
    ends = {_end_of(part["children"][0], cells) for part in parts
            if part["type"] == "OPERATOR_IS_NULL"} - {None}  # fmt: skip
    others = [part for part in parts if part["type"] != "OPERATOR_IS_NULL"]
    n_ends = len(parts) - len(others)
    found = [_later_side(part, cells, ends) for part in others]
    sides = [side for side in found if side is not None]
    return sides if ends and len(ends) == n_ends and len(sides) == len(others) else []


def _later_side(
    node: PlanNode, cells: Sequence[Cell], ends: Collection[Symbol | None]
) -> PlanNode | None:
    """Return the time than which one of some ends is later; None: it is another condition."""
    if node["type"] in (*_IS_LATER, *_IS_EARLIER):
        end, side = node["children"][:: 1 if node["type"] in _IS_LATER else -1]
        if _end_of(end, cells) in ends:
            found: PlanNode = side
            return found
    return None


def _is_filled(node: PlanNode, cells: Sequence[Cell]) -> bool:
    """Say whether a node is an end with a time after all others in place of NULL."""
    if node["type"] != "OPERATOR_COALESCE" or len(node["children"]) != 2:
        return False
    end, other = node["children"]
    is_far = _FAR.fullmatch(str(constant(other))) is not None
    return is_far and _end_of(end, cells) is not None


def _end_of(node: PlanNode, cells: Sequence[Cell]) -> Symbol | None:
    """Return the symbol of a column whose value is not known before itself."""
    while node["type"] == "OPERATOR_CAST":
        of, to = type_of(node["children"][0]), type_of(node)
        if FINER.get(of, 9) > FINER.get(to, -1):
            return None
        node = node["children"][0]
    if node["type"] != "BOUND_REF":
        return None
    cell = column_at(node, cells)
    return cell.symbol if cell.symbol in cell.reads.bounds and cell.is_end else None
