"""Windows and groups: which other rows a value is made of, and whether these are earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml4t.backtest.data.causality.facts import Symbol
from ml4t.backtest.data.causality.nodes import PlanNode, constant, function_in, parts_in
from ml4t.backtest.data.causality.relation import (
    Cell,
    Dependence,
    PlanRows,
    Problem,
    both,
    seen_through,
)
from ml4t.backtest.data.causality.values import PlanValues

# By a number of rows before or behind, whatever the frame.
_SHIFTS = {"WINDOW_LAG": 1, "WINDOW_LEAD": -1}
# Of all rows of the partition, whatever the frame.
_OF_PARTITION = ("WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST", "WINDOW_NTILE")
# Of the rows before, whatever the frame.
_OF_RANK = ("WINDOW_ROW_NUMBER", "WINDOW_RANK", "WINDOW_RANK_DENSE")
# Ends of a frame by which it has no row behind the current one, and the same from the other side.
_ENDS = ("CURRENT_ROW_RANGE", "CURRENT_ROW_ROWS", "CURRENT_ROW_GROUPS", "EXPR_PRECEDING_ROWS",
         "EXPR_PRECEDING_RANGE", "EXPR_PRECEDING_GROUPS", "UNBOUNDED_PRECEDING")  # fmt: skip
_STARTS = ("CURRENT_ROW_RANGE", "CURRENT_ROW_ROWS", "CURRENT_ROW_GROUPS", "EXPR_FOLLOWING_ROWS",
           "EXPR_FOLLOWING_RANGE", "EXPR_FOLLOWING_GROUPS", "UNBOUNDED_FOLLOWING")  # fmt: skip
_PAST = "partition by asset_id order by timestamp"
_GROUPS_EARLY = "aggregates over rows of later times: it groups by a time before that of its rows"
_END_OF_GROUP = (
    "the end of the group as timestamp, such as date_trunc('week', timestamp) + interval '7 days'"
)
_TRAILING = f"over ({_PAST} rows between ... preceding and current row)"


class _Reach(NamedTuple):
    """On which side of the current row, in the order of a window, the rows that it reads are.

    Attributes
    ----------
    side : int
        -1: before it, 1: behind it, in both cases with it; 0: on both sides, or not known.
    why : str
        What is on both sides, or on the side that is the later one.
    instead : str
    """

    side: int
    why: str
    instead: str


def window_cell(node: PlanNode, rows: PlanRows, values: PlanValues) -> Cell:
    """Return the column that a window adds to rows."""
    facts, cells = values.facts, rows.cells
    own = [values.reads(part, cells) for part in parts_in(node)]
    reads = both(rows.reads, *own)
    keys = [values.cell(part, cells) for part in node["partitions"]]
    reads = both(reads, *(key.reads for key in keys))
    orders = [values.cell(order["expression"], cells) for order in node["orders"]]
    reads = both(reads, *(order.reads for order in orders))
    seen, missing = seen_through(reads, [key.symbol for key in keys], facts)
    found = Dependence(seen.bounds, seen.of_history, reads.problems)
    if missing:
        by_order = _by_order(node, rows, values, keys, orders, missing)
        if by_order.problems and any(
            facts.is_hidden(one, [key.symbol for key in keys]) for one in missing
        ):
            by_order = _hidden(values.text_of(node), "is partitioned by")
        found = both(found, by_order)
    found = both(found, Dependence(problems=values.own_problems(node)))
    return Cell(str(node.get("alias", "")), facts.symbol(opaque=True), found)


def _hidden(what: str, how: str) -> Dependence:
    """Return that rows are told apart by something whose order among times is not understood."""
    why = f"{how} what is computed of a time in a way that is not understood by this proof"
    return Dependence(problems=(Problem(False, what, why, "the timestamp itself"),))


def _by_order(
    node: PlanNode,
    rows: PlanRows,
    values: PlanValues,
    keys: Sequence[Cell],
    orders: Sequence[Cell],
    missing: frozenset[Symbol],
) -> Dependence:
    """Return what a window depends on that holds rows of several times."""
    facts, what = values.facts, values.text_of(node)
    if _is_first_time(node, rows, values, missing):
        return Dependence(missing, of_history=True)
    if not orders:
        return _unordered(what, node)
    first = orders[0].symbol
    # By the beginning of a period is by its end.
    ends = {one: None if first in facts.not_later(one) else values.periods.end_of_period(one, first)
            for one in missing}  # fmt: skip
    if not all(end is not None or first in facts.not_later(one) for one, end in ends.items()):
        is_rounded = any(first in facts.not_later(bound) or bound in facts.not_later(first)
                         for bound in missing)  # fmt: skip
        is_opaque = any(
            facts.reaches_opaque(one) or facts.is_hidden(one, [first]) for one in missing
        )
        why = "is ordered by something else than the time at which its rows are known"
        return Dependence(
            problems=(Problem(not (is_rounded or is_opaque), what, why, f"over ({_PAST})"),)
        )
    reach = _reach(node)
    is_descending = node["orders"][0]["type"] == "DESCENDING"
    if reach.side == (1 if is_descending else -1):
        is_past = not is_descending and _is_before(node, rows, [*keys, orders[0]])
        last = {end for end in ends.values() if end is not None and not is_past}
        return Dependence(frozenset(last or {first}), of_history=True)
    is_known = bool(reach.side) or bool(reach.instead)
    return Dependence(problems=(Problem(is_known, what, reach.why, reach.instead),))


def _unordered(what: str, node: PlanNode) -> Dependence:
    if "text" in node:
        why = "keeps some rows of all times"
        return Dependence(problems=(Problem(True, what, why, "an order by timestamp"),))
    if node["type"] in _OF_RANK and not node["partitions"]:
        # DuckDB numbers rows so itself, for a subquery that takes values from outside.
        why = "numbers rows as they are stored"
        return Dependence(problems=(Problem(False, what, why, f"over ({_PAST})"),))
    name = function_in(node) or node["type"].removeprefix("WINDOW_").lower()
    why = "is over rows of all times"
    instead = f"{name}(...) over (partition by timestamp), or {name}(...) {_TRAILING}"
    return Dependence(problems=(Problem(True, what, why, instead),))


def _is_first_time(
    node: PlanNode, rows: PlanRows, values: PlanValues, missing: frozenset[Symbol]
) -> bool:
    """Say whether a window is the smallest time of its rows: the row's own is among them."""
    is_over_all = (
        node["start"] == "UNBOUNDED_PRECEDING" and node["exclude_clause"] == "NO_OTHER"
        and node["end"] in ("UNBOUNDED_FOLLOWING", *_ENDS[:3])
    )  # fmt: skip
    if function_in(node) != "min" or not is_over_all or node.get("filters"):
        return False
    of = values.cell(node["children"][0], rows.cells).symbol
    return all(values.facts.are_equal(of, one) for one in missing)


def _reach(node: PlanNode) -> _Reach:
    kind = node["type"]
    if kind in _SHIFTS and not node["arg_orders"]:
        return _shift(node)
    if kind in _OF_PARTITION and not node["arg_orders"]:
        name = kind.removeprefix("WINDOW_").lower()
        return _Reach(0, "counts all rows of its partition, later ones too",
                      f"{name}(...) over (partition by timestamp order by ...)")  # fmt: skip
    if kind == "WINDOW_FILL":
        return _Reach(0, "fills by the next value, too",
                      f"last_value(... ignore nulls) {_TRAILING}")  # fmt: skip
    if kind in _OF_RANK and not node["arg_orders"]:
        return _Reach(-1, "reads rows behind its own in descending order",
                      f"{kind.removeprefix('WINDOW_').lower()}() over ({_PAST})")  # fmt: skip
    if node["end"] in _ENDS and _is_positive(node, "end"):
        return _Reach(-1, "reads later rows: its order descends", _TRAILING)
    if node["start"] in _STARTS and _is_positive(node, "start"):
        return _Reach(1, "reads later rows: its frame begins at the current one", _TRAILING)
    if not (_is_positive(node, "end") and _is_positive(node, "start")):
        return _Reach(0, "has a frame whose side is not written out", "")
    return _Reach(0, "has a frame that reaches later rows", _TRAILING)


def _shift(node: PlanNode) -> _Reach:
    """Return where the row is that lag or lead reads."""
    side = -_SHIFTS[node["type"]]
    offset = constant(node["children"][1]) if len(node["children"]) > 1 else 1
    if not isinstance(offset, int):
        return _Reach(0, "is shifted by a number that is not written out", "")
    side = side if offset >= 0 else -side
    return _Reach(side, "reads a later row", f"lag(..., {abs(offset)}) over ({_PAST})")


def _is_before(node: PlanNode, rows: PlanRows, keys: Sequence[Cell]) -> bool:
    """Say whether a window reads rows of earlier periods alone: no two rows are of one period."""
    if rows.key is None or not rows.key <= {key.symbol for key in keys} or node["arg_orders"]:
        return False
    if node["type"] == "WINDOW_LAG":
        offset = constant(node["children"][1]) if len(node["children"]) > 1 else 1
        return isinstance(offset, int) and offset > 0
    if node["type"] in (*_SHIFTS, *_OF_PARTITION, *_OF_RANK, "WINDOW_FILL"):
        return False
    length = constant(node.get("end_expr") or {"type": ""})
    return node["end"] == "EXPR_PRECEDING_ROWS" and isinstance(length, int) and length > 0


def _is_positive(node: PlanNode, side: str) -> bool:
    """Say whether the length at a side of a frame is written out and does not turn it round."""
    if not str(node[side]).startswith("EXPR_"):
        return True
    length = node.get(f"{side}_expr") or {}
    if node[side].endswith("_RANGE"):
        # Bound as the order minus or plus the length.
        length = (length.get("children") or [{}])[-1]
    found = constant(length) if length else None
    if isinstance(found, dict):
        return bool(min(found["months"], found["days"], found["micros"]) >= 0)
    return isinstance(found, int | float) and found >= 0


def grouped(
    keys: Sequence[Cell],
    made: Sequence[Cell],
    rows: PlanRows,
    values: PlanValues,
    what: str,
    extremes: Sequence[tuple[str, Symbol] | None] = (),
) -> PlanRows:
    """Return the rows that a group by yields, one per value of some keys.

    Parameters
    ----------
    keys, made : sequence of Cell
        Over the rows of the group.
    what : str
        For a message.
    """
    symbols = [key.symbol for key in keys]
    reads = both(rows.reads, *(key.reads for key in keys))
    times = [
        values.facts.symbol(opaque=True)
        if one is None
        else values.periods.extreme_of(one[1], symbols)
        for one in extremes or [None] * len(made)
    ]
    firsts = {one[1]: time for one, time in zip(extremes, times, strict=bool(extremes))
              if one is not None and one[0] == "min"}  # fmt: skip
    of_rows = _there_since(reads, symbols, values, firsts)
    if of_rows is None:
        of_rows = _of_group(reads, symbols, values, what)
    cells = [key._replace(reads=of_rows) for key in keys]
    for one, time in zip(made, times, strict=True):
        is_first = time in firsts.values() and not one.reads.problems
        seen = of_rows if is_first else _of_group(both(reads, one.reads), symbols, values, what)
        cells.append(Cell(one.name, time, seen))
    return PlanRows(tuple(cells), of_rows, frozenset(symbols))


def _there_since(
    reads: Dependence, keys: Sequence[Symbol], values: PlanValues, firsts: Mapping[Symbol, Symbol]
) -> Dependence | None:
    """Return what a group depends on that tells the first time of its rows: it is there since then.

    That its first time is, is known then, whatever comes. Without keys there is a row before.
    """
    seen, missing = seen_through(reads, keys, values.facts)
    for of, first in firsts.items():
        if keys and missing and all(of in values.facts.not_later(one) for one in missing):
            return Dependence(seen.bounds | {first}, of_history=True, problems=seen.problems)
    return None


def _of_group(
    reads: Dependence, keys: Sequence[Symbol], values: PlanValues, what: str
) -> Dependence:
    facts = values.facts
    seen, missing = seen_through(reads, keys, facts)
    if not missing:
        return seen
    ends = [values.periods.end_of(one, keys) for one in missing]
    known = frozenset(end for end in ends if end is not None)
    if None not in ends:
        # Known when the period that it groups by is over.
        for end in known:
            values.periods.blame(end, Problem(True, what, _GROUPS_EARLY, _END_OF_GROUP))
        return Dependence(seen.bounds | known, of_history=True, problems=seen.problems)
    # Of a missing partner the time is NULL, and its group has no time.
    is_missing = any(facts.is_opaque(key) and len(facts.not_later(key)) > 1 for key in keys)
    is_leak = not (is_missing or any(facts.reaches_opaque(one) for one in missing))
    if any(facts.is_hidden(one, keys) for one in missing):
        return both(seen, _hidden(what, "groups by"))
    if any(one in facts.not_later(key) for one in missing for key in keys):
        problem = Problem(is_leak, what, _GROUPS_EARLY, _END_OF_GROUP)
    else:
        why = "aggregates over rows of all times"
        problem = Problem(is_leak, what, why, "a timestamp among what it groups by")
    return seen._replace(problems=(*seen.problems, problem))
