"""Joins: rows of two relations beside each other, and what a missing partner says."""

from __future__ import annotations

from collections.abc import Sequence

from ml4t.backtest.data.causality.facts import Facts, Symbol
from ml4t.backtest.data.causality.nodes import PlanNode, function_in, moved_along, nodes_of
from ml4t.backtest.data.causality.relation import (
    Cell,
    Dependence,
    PlanRows,
    Problem,
    both,
    seen_through,
)
from ml4t.backtest.data.causality.values import PlanValues

# Comparisons by which a row has no two partners of one key.
_EQUAL = ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")
_BOUNDED = "a condition that bounds its timestamp by that of the row"


def joined_rows(node: PlanNode, left: PlanRows, right: PlanRows, values: PlanValues) -> PlanRows:
    """Return what a join of two relations yields."""
    kind = node.get("join_type", "INNER")
    if kind == "INNER" and node["type"] != "LOGICAL_ASOF_JOIN":
        reads, _ = _conditions(node, left, right, values, values.facts)
        cells = (*_kept(node, "left", left.cells), *_kept(node, "right", right.cells))
        return PlanRows(cells, both(left.reads, right.reads, reads))
    if kind.startswith("RIGHT") or (kind == "FULL" and node["type"] == "LOGICAL_ASOF_JOIN"):
        return _not_understood(node, kind, left, right, values)
    if kind == "FULL":
        return _full(node, left, right, values)
    return _one_sided(node, kind, left, right, values)


def _conditions(
    node: PlanNode, left: PlanRows, right: PlanRows, values: PlanValues, facts: Facts
) -> tuple[Dependence, list[tuple[Symbol, str, Symbol]]]:
    """Note what the conditions of a join say; return what they depend on, and their two sides."""
    pairs, reads = (*left.cells, *right.cells), list[Dependence]()
    sides: list[tuple[Symbol, str, Symbol]] = []
    for one in node.get("conditions", ()):
        if not one.get("right"):
            reads.append(values.reads(one["left"], pairs))
            values.learn(one["left"], pairs, facts)
            continue
        as_one = {"type": one["comparison"], "children": [one["left"],
                  moved_along(one["right"], len(left.cells))]}  # fmt: skip
        reads.append(values.reads(as_one, pairs))
        values.learn(as_one, pairs, facts)
        first, second = (values.cell(side, pairs).symbol for side in as_one["children"])
        sides.append((first, one["comparison"], second))
    if node.get("condition"):
        reads.append(values.reads(node["condition"], pairs))
        values.learn(node["condition"], pairs, facts)
    return both(*reads), sides


def _one_sided(
    node: PlanNode, kind: str, left: PlanRows, right: PlanRows, values: PlanValues
) -> PlanRows:
    """Return a join whose left rows say something even where the right side has none.

    That nothing is there depends on every row that could have been: the condition must bound
    their time by one of the left row.
    """
    facts = values.facts
    # An as-of join has no row without a partner, so that what its condition says holds above it.
    known = facts if kind == "INNER" else facts.branch()
    reads, sides = _conditions(node, left, right, values, known)
    keys = {cell.symbol for cell in left.cells} | {one for one, _, _ in sides} | left.reads.bounds
    keys |= {bound for cell in left.cells for bound in cell.reads.bounds}
    of_right = both(right.reads, reads)
    equal = {other for _, comparison, other in sides if comparison in _EQUAL}
    is_one = kind in ("MARK", "SINGLE") or (kind == "LEFT" and (
        node["type"] == "LOGICAL_ASOF_JOIN" or (right.key is not None and right.key <= equal)
    ))  # fmt: skip
    what = _name_of(node)
    partner = _bounded(what, of_right, keys, known, facts)
    rows = left.reads if is_one else both(left.reads, partner)
    kept = _kept(node, "left", left.cells)
    if kind in ("SEMI", "ANTI"):
        return PlanRows(kept, rows)
    if kind == "MARK":
        return PlanRows((*kept, Cell("", facts.symbol(opaque=True), partner)), rows)
    cells = []
    for cell in _kept(node, "right", right.cells):
        symbol = cell.symbol
        if kind != "INNER":
            symbol = facts.symbol(opaque=True)
            for key in keys & known.not_later(cell.symbol):
                facts.add(symbol, key)
        cells.append(
            Cell(cell.name, symbol, _bounded(what, both(of_right, cell.reads), keys, known, facts))
        )
    return PlanRows((*kept, *cells), rows)


def _bounded(
    what: str, reads: Dependence, keys: set[Symbol] | frozenset[Symbol], known: Facts, facts: Facts
) -> Dependence:
    seen, missing = seen_through(reads, keys, known, facts)
    if not missing:
        return seen
    is_leak = not any(known.reaches_opaque(one) for one in missing)
    problem = Problem(is_leak, what, "reads rows of later times, or of all times", _BOUNDED)
    return seen._replace(problems=(*seen.problems, problem))


def _name_of(node: PlanNode) -> str:
    """Return a join in words, by the relations that are joined."""
    tables = [one["function_data"]["table"] for one in nodes_of(node["children"][-1])
              if function_in(one) == "seq_scan"]  # fmt: skip
    return f"the join with {' and '.join(dict.fromkeys(tables)) or 'a relation'}"


def _not_understood(
    node: PlanNode, kind: str, left: PlanRows, right: PlanRows, values: PlanValues
) -> PlanRows:
    """Return a join of which nothing is proved."""
    why = f"is a {kind.lower()} join that this proof does not understand"
    problem = Problem(False, _name_of(node), why, "a left join, the other way round")
    reads = both(left.reads, right.reads, Dependence(problems=(problem,)))
    sides = (*_kept(node, "left", left.cells), *_kept(node, "right", right.cells))
    return PlanRows(
        tuple(Cell(one.name, values.facts.symbol(opaque=True), reads) for one in sides), reads
    )


def _full(node: PlanNode, left: PlanRows, right: PlanRows, values: PlanValues) -> PlanRows:
    """Return a full join: one of the two times of a row may be missing, but not both.

    Either of the two times of an equality is what `coalesce` gives. Of a row without a partner it
    is that of its own side, and what the conditions say of the other side is not true of it.
    """
    facts = values.facts
    both_there, of_left, of_right = (facts.branch() for _ in range(3))
    reads, sides = _conditions(node, left, right, values, both_there)
    keys, alone = set[Symbol](), dict[Symbol, Symbol]()
    for one, comparison, other in sides:
        if comparison == "COMPARE_EQUAL":
            either = facts.symbol()
            keys.add(either)
            for known, side in ((both_there, one), (of_left, one), (of_right, other)):
                known.equate(either, side)
            pair = facts.symbol(opaque=True), facts.symbol(opaque=True)
            values.coalesced(*pair, either)
            if one not in alone and other not in alone:
                alone[one], alone[other] = pair
    what = _name_of(node)

    def seen(some: Dependence, own: Facts) -> Dependence:
        in_own = _bounded(what, some, keys, own, facts)
        return both(in_own, _bounded(what, both(some, reads), keys, both_there, facts))

    rows = both(seen(left.reads, of_left), seen(right.reads, of_right))
    cells = tuple(
        Cell(
            cell.name,
            alone.get(cell.symbol) or facts.symbol(opaque=True),
            both(rows, seen(cell.reads, own)),
        )
        for side, of, own in (("left", left, of_left), ("right", right, of_right))
        for cell in _kept(node, side, of.cells)
    )
    return PlanRows(cells, rows)


def _kept(node: PlanNode, side: str, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the columns of a side that a join passes on."""
    kept = node.get(f"{side}_projection_map")
    return tuple(cells[i] for i in kept) if kept else tuple(cells)
