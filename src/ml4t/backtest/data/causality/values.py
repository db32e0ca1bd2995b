"""PlanValues: what an expression of a plan depends on, and what it says of the order of times."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml4t.backtest.data.causality.facts import Facts, Symbol
from ml4t.backtest.data.causality.relation import Cell, Dependence, Problem, both

PlanNode = Mapping[str, Any]
# Months, days and microseconds of what a time is rounded down to. A day is no number of hours:
# where clocks are put forward and back it has 23 or 25.
_UNITS = {
    "microsecond": (0, 0, 1), "millisecond": (0, 0, 1_000), "second": (0, 0, 1_000_000),
    "minute": (0, 0, 60_000_000), "hour": (0, 0, 3_600_000_000), "day": (0, 1, 0),
    "week": (0, 7, 0), "month": (1, 0, 0), "quarter": (3, 0, 0), "year": (12, 0, 0),
    "decade": (120, 0, 0), "century": (1_200, 0, 0),
}  # fmt: skip
_SHORTEST_MONTH, _SHORTEST_DAY = 28, 23 * _UNITS["hour"][2]
_WRITTEN = re.compile(r"\s*(\d+)\s*([a-z]+?)s?\s*", re.IGNORECASE)
# Casts that change neither the order of times nor, for what is one already, its value.
_FINER = {
    "DATE": 0, "TIMESTAMP_S": 1, "TIMESTAMP_MS": 2, "TIMESTAMP": 3,
    "TIMESTAMP WITH TIME ZONE": 3, "TIMESTAMP_NS": 4,
}  # fmt: skip
_COMPARED = {
    "COMPARE_EQUAL": "=", "COMPARE_NOT_DISTINCT_FROM": "=",
    "COMPARE_LESSTHAN": "<=", "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">=", "COMPARE_GREATERTHANOREQUALTO": ">=",
}  # fmt: skip
# What is no value of a row: parameters of a lambda, and what a function was bound with.
_NOT_VALUES = ("lambda_expr", "function_data", "return_type", "value", "qname")


class TimeSpan(NamedTuple):
    """A span of time."""

    months: int = 0
    days: int = 0
    micros: int = 0

    def __neg__(self) -> TimeSpan:
        return TimeSpan(*(-part for part in self))

    @property
    def is_ahead(self) -> bool:
        """No part of it goes back."""
        return min(self) >= 0

    def covers(self, other: TimeSpan) -> bool:
        """Say whether it is at least as long as another of one part, whatever the day."""
        if not self.is_ahead:
            return False
        days = self.days + self.months * _SHORTEST_MONTH
        if other.months:
            return self.months >= other.months
        if other.days:
            return days >= other.days
        return self.micros + days * _SHORTEST_DAY >= other.micros


class PlanValues:
    """Evaluates expressions of one query.

    Parameters
    ----------
    facts : Facts
    text_of : callable
        What stands in the query for a node.
    unstable : mapping of str to str
        Functions whose value depends on more than their arguments, and why.
    are_days : bool
        Every bar stands for its day: a time and its date are the same to it.
    """

    def __init__(
        self,
        facts: Facts,
        text_of: Callable[[PlanNode], str],
        unstable: Mapping[str, str],
        *,
        are_days: bool = False,
    ) -> None:
        self.facts, self.text_of, self._unstable = facts, text_of, unstable
        self._are_days = are_days
        self._known: dict[object, Symbol] = {}
        self._rounded: dict[Symbol, tuple[Symbol, TimeSpan]] = {}

    def cell(self, node: PlanNode, cells: Sequence[Cell], name: str = "") -> Cell:
        """Return an expression over some columns as a column."""
        if node["type"] == "BOUND_REF":
            of = cells[node["index"]]
            return of._replace(name=name or node.get("alias", "") or of.name)
        return Cell(
            name or node.get("alias", ""), self._symbol(node, cells), self.reads(node, cells)
        )

    def reads(self, node: PlanNode, cells: Sequence[Cell]) -> Dependence:
        """Return what an expression over some columns depends on."""
        if node["type"] == "BOUND_REF":
            return cells[node["index"]].reads
        known = self._known_in_time(node, cells)
        if known is not None:
            return known
        parts = [self.reads(part, cells) for part in _parts(node)]
        return both(Dependence(problems=self.own_problems(node)), *parts)

    def own_problems(self, node: PlanNode) -> tuple[Problem, ...]:
        """Return what is wrong with the function that a node calls."""
        name = function_in(node)
        if node.get("expression_class") == "BOUND_SUBQUERY":
            return (Problem(False, self.text_of(node), "is not understood by this proof"),)
        if name == "bitstring_agg" and len(node["children"]) < 3:
            why = "is as long as the range of its column in all rows, later ones too"
            return (Problem(True, self.text_of(node), why, f"{name}(column, lowest, highest)"),)
        why = self._unstable.get(name, "")
        return (Problem(False, self.text_of(node), f"{why}, and is no value of a row"),) * bool(why)

    def _known_in_time(self, node: PlanNode, cells: Sequence[Cell]) -> Dependence | None:
        """Return what a comparison with the end of an interval depends on.

        That an interval ends later is not known in time, but whether it has ended is: NULL stands
        for an end that is still to come, so that it must count as one.
        """
        if node["type"] == "CONJUNCTION_OR":
            ends = {self._end_of(part["children"][0], cells) for part in node["children"]
                    if part["type"] == "OPERATOR_IS_NULL"} - {None}  # fmt: skip
            others = [part for part in node["children"] if part["type"] != "OPERATOR_IS_NULL"]
            sides = [self._beside(part, cells, ends) for part in others]
            if ends and others and None not in sides:
                return both(*(self.reads(side, cells) for side in sides if side is not None))
        elif node["type"] in _COMPARED:
            for end, side in _both_ways(node["children"]):
                if self._is_filled_end(end, cells):
                    return self.reads(side, cells)
        return None

    def _beside(
        self, node: PlanNode, cells: Sequence[Cell], ends: Collection[Symbol | None]
    ) -> PlanNode | None:
        """Return what is compared with one of some ends; None: nothing is."""
        if node["type"] in _COMPARED:
            for end, side in _both_ways(node["children"]):
                if self._end_of(end, cells) in ends:
                    return side
        return None

    def _is_filled_end(self, node: PlanNode, cells: Sequence[Cell]) -> bool:
        """Say whether a node is an end with a constant in place of NULL."""
        if node["type"] != "OPERATOR_COALESCE" or len(node["children"]) != 2:
            return False
        end, other = node["children"]
        return self._end_of(end, cells) is not None and constant(other) is not None

    def _end_of(self, node: PlanNode, cells: Sequence[Cell]) -> Symbol | None:
        """Return the symbol of a column whose value is not known before itself."""
        while node["type"] == "OPERATOR_CAST":
            node = node["children"][0]
        if node["type"] != "BOUND_REF":
            return None
        cell = cells[node["index"]]
        return cell.symbol if cell.symbol in cell.reads.bounds and cell.is_end else None

    def learn(self, condition: PlanNode, cells: Sequence[Cell], facts: Facts | None = None) -> None:
        """Note what a condition that is true says of the order of times."""
        if condition["type"] == "CONJUNCTION_AND":
            for part in condition["children"]:
                self.learn(part, cells, facts)
        elif condition["type"] in _COMPARED:
            one, other = (self._symbol(part, cells) for part in condition["children"])
            self.compare(one, _COMPARED[condition["type"]], other, facts)

    def compare(
        self, one: Symbol, comparison: str, other: Symbol, facts: Facts | None = None
    ) -> None:
        """Note a comparison, by its name in a plan or its sign."""
        known, sign = facts or self.facts, _COMPARED.get(comparison, comparison)
        if sign in ("<=", "="):
            known.add(one, other)
        if sign in (">=", "="):
            known.add(other, one)

    def coalesced(self, one: Symbol, other: Symbol, name: Symbol) -> None:
        """Note what ``coalesce`` of two symbols is, in either order."""
        for pair in ((one, other), (other, one)):
            self._known["OPERATOR_COALESCE", pair, ""] = name

    # -- inside -----------------------------------------------------------------------

    def _symbol(self, node: PlanNode, cells: Sequence[Cell]) -> Symbol:
        if node["type"] == "BOUND_REF":
            return cells[node["index"]].symbol
        parts = tuple(self._symbol(part, cells) for part in node.get("children", ()))
        name = function_in(node) or node["type"]
        own = constant(node)
        kind = "" if name == "OPERATOR_COALESCE" else _type_of(node)
        key = (name, parts, kind if own is None else repr(own))
        if node["type"] == "CASE_EXPR" or (own is None and not parts):
            return self.facts.symbol(opaque=True)  # of which two are never told to be the same
        if key not in self._known:
            self._known[key] = self._made(node, name, parts)
        return self._known[key]

    def _made(self, node: PlanNode, name: str, parts: Sequence[Symbol]) -> Symbol:
        made = self.facts.symbol()
        children = node.get("children", ())
        is_known = node["type"] == "VALUE_CONSTANT" or (
            self._shifted(made, name, children, parts)
            or self._rounds(made, name, children, parts)
            or self._cast(made, node, parts)
            or self._chosen(made, name, parts)
        )
        if is_known:
            return made
        return self.facts.symbol(opaque=True)

    def _shifted(
        self, made: Symbol, name: str, children: Sequence[PlanNode], parts: Sequence[Symbol]
    ) -> bool:
        """Note a time plus or minus a length that is written out."""
        if name not in ("+", "-", "date_add") or len(parts) != 2:
            return False
        length, of = span_of(children[1]), parts[0]
        if length is None and name == "+":
            length, of = span_of(children[0]), parts[1]
        if length is None:
            return False
        length = -length if name == "-" else length
        if length.is_ahead:
            self.facts.add(of, made)
            if of in self._rounded and length.covers(self._rounded[of][1]):
                self.facts.add(self._rounded[of][0], made)
        if (-length).is_ahead:
            self.facts.add(made, of)
        return length.is_ahead or (-length).is_ahead

    def _rounds(
        self, made: Symbol, name: str, children: Sequence[PlanNode], parts: Sequence[Symbol]
    ) -> bool:
        """Note a time that is rounded down to a unit."""
        if name not in ("date_trunc", "datetrunc", "time_bucket") or len(parts) != 2:
            return False
        if name == "time_bucket":
            length = span_of(children[0])
        else:
            length = TimeSpan(*_UNITS.get(str(constant(children[0])).lower(), ()))
        if length is None or sum(map(bool, length)) != 1:
            return False
        self._round(made, parts[1], length)
        return True

    def _round(self, made: Symbol, of: Symbol, span: TimeSpan) -> None:
        self.facts.add(made, of, rounded=True)
        self._rounded[made] = (of, span)
        if self._are_days and TimeSpan(days=1).covers(span):
            self.facts.add(of, made)

    def _cast(self, made: Symbol, node: PlanNode, parts: Sequence[Symbol]) -> bool:
        if node["type"] != "OPERATOR_CAST" or len(parts) != 1:
            return False
        of, to = _type_of(node["children"][0]), _type_of(node)
        if not of:
            of = str((node.get("arguments") or [{}])[0].get("id", ""))
        if of not in _FINER or to not in _FINER:
            return False
        if _FINER[of] <= _FINER[to]:
            self.facts.equate(made, parts[0])
        else:
            self._round(
                made, parts[0], TimeSpan(days=1) if to == "DATE" else TimeSpan(micros=10**6)
            )
        return True

    def _chosen(self, made: Symbol, name: str, parts: Sequence[Symbol]) -> bool:
        """Note the largest of some times, the smallest, or one of them."""
        if name not in ("greatest", "least", "OPERATOR_COALESCE") or not parts:
            return False
        above = [self.facts.not_later(part) for part in parts]
        if name == "greatest":
            for part in parts:
                self.facts.add(part, made)
        elif name == "least":
            for part in parts:
                self.facts.add(made, part)
        for each in set.intersection(*above):
            self.facts.add(made, each)
        return True


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


def span_of(node: PlanNode) -> TimeSpan | None:
    """Return the span that a node is, if it is written out; whole numbers are days of a date."""
    found = constant(node)
    if isinstance(found, Mapping) and "micros" in found:
        return TimeSpan(found["months"], found["days"], found["micros"])
    if isinstance(found, int) and not isinstance(found, bool):
        return TimeSpan(days=found)
    written = _WRITTEN.fullmatch(found) if isinstance(found, str) else None
    if written is None or written[2].lower() not in _UNITS:
        return None
    return TimeSpan(*(int(written[1]) * part for part in _UNITS[written[2].lower()]))


def _type_of(node: PlanNode) -> str:
    return str(node.get("return_type", node.get("value", {}).get("type", {})).get("id", ""))


def _parts(node: PlanNode) -> Iterator[PlanNode]:
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


def _both_ways(
    pair: Sequence[PlanNode],
) -> tuple[tuple[PlanNode, PlanNode], tuple[PlanNode, PlanNode]]:
    one, other = pair
    return (one, other), (other, one)
