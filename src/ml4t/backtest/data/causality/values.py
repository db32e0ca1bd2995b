"""PlanValues: what an expression of a plan depends on, and what it says of the order of times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from ml4t.backtest.data.causality.ends import beside_ends
from ml4t.backtest.data.causality.facts import Facts, Symbol
from ml4t.backtest.data.causality.nodes import (
    COMPARISONS,
    FINER,
    PlanNode,
    all_conditions,
    column_at,
    constant,
    function_in,
    nodes_of,
    parts_in,
    type_of,
)
from ml4t.backtest.data.causality.periods import Periods
from ml4t.backtest.data.causality.relation import Cell, Dependence, Problem, both
from ml4t.backtest.data.causality.spans import SPANS, TimeSpan, span_of

_NEGATED = {
    "COMPARE_LESSTHAN": ">=", "COMPARE_LESSTHANOREQUALTO": ">=", "COMPARE_NOTEQUAL": "=",
    "COMPARE_GREATERTHAN": "<=", "COMPARE_GREATERTHANOREQUALTO": "<=",
    "COMPARE_DISTINCT_FROM": "=",
}  # fmt: skip
# What says nothing of which of two times is the later one, however it is meant.
_OF_NO_ORDER = ("COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "OPERATOR_IS_NULL",
                "OPERATOR_IS_NOT_NULL")  # fmt: skip
_UNDERSTOOD = (
    "BOUND_AGGREGATE", "BOUND_CASE", "BOUND_CONJUNCTION", "BOUND_CONSTANT", "BOUND_FUNCTION",
    "BOUND_LAMBDA", "BOUND_OPERATOR", "BOUND_REF", "BOUND_UNNEST", "BOUND_WINDOW",
)  # fmt: skip
# Functions that tell a part of a time: very different times have the same. A year is none of these.
_PARTS_OF_TIMES = frozenset(
    """
    date_part datepart day dayname dayofmonth dayofweek dayofyear era extract hour isodow
    microsecond millisecond minute month monthname quarter second week weekday weekofyear
    """.split()  # noqa: SIM905 - one a line would be thirty lines
)


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
        self.periods = Periods(facts, are_days=are_days)
        self._known: dict[object, Symbol] = {}

    def cell(self, node: PlanNode, cells: Sequence[Cell], name: str = "") -> Cell:
        """Return an expression over some columns as a column."""
        if node["type"] == "BOUND_REF":
            of = column_at(node, cells)
            return of._replace(name=name or node.get("alias", "") or of.name)
        return Cell(
            name or node.get("alias", ""), self._symbol(node, cells), self.reads(node, cells)
        )

    def reads(self, node: PlanNode, cells: Sequence[Cell]) -> Dependence:
        """Return what an expression over some columns depends on."""
        if node["type"] == "BOUND_REF":
            return column_at(node, cells).reads
        known = self._known_in_time(node, cells)
        if known is not None:
            return known
        if "lambda_expr" in node:
            calls = filter(function_in, nodes_of(node["lambda_expr"]))
            inside = tuple(one for each in calls for one in self.own_problems(each))
            return both(Dependence(problems=inside),
                        *(self.reads(part, cells) for part in parts_in(node)))  # fmt: skip
        if node.get("expression_class", "BOUND_FUNCTION") not in _UNDERSTOOD:
            problem = Problem(False, self.text_of(node), "is not understood by this proof")
            return Dependence(problems=(problem,))
        parts = [self.reads(part, cells) for part in parts_in(node)]
        return both(Dependence(problems=self.own_problems(node)), *parts)

    def own_problems(self, node: PlanNode) -> tuple[Problem, ...]:
        """Return what is wrong with the function that a node calls."""
        name = function_in(node)
        if name == "bitstring_agg" and len(node["children"]) < 3:
            why = "is as long as the range of its column in all rows, later ones too"
            return (Problem(True, self.text_of(node), why, f"{name}(column, lowest, highest)"),)
        why = self._unstable.get(name, "")
        return (Problem(False, self.text_of(node), f"{why}, and is no value of a row"),) * bool(why)

    def _known_in_time(self, node: PlanNode, cells: Sequence[Cell]) -> Dependence | None:
        """Return what a comparison with the end of an interval depends on: what stands beside it.

        Whether it has ended by some time is known at that time.
        """
        sides = beside_ends(node, cells)
        if not sides:
            return None
        until = [self._symbol(side, cells) if self._times(side, cells) else self._unknown()
                 for side in sides]  # fmt: skip
        return both(Dependence(frozenset(until)), *(self.reads(side, cells) for side in sides))

    def learn(self, condition: PlanNode, cells: Sequence[Cell], facts: Facts | None = None) -> None:
        """Note what a condition that is true says of the order of times."""
        known = facts or self.facts
        for one in all_conditions(condition):
            pairs = self._implied(one, cells)
            pairs.update(self._steps_between(one, cells))
            for pair in pairs:
                for earlier, later in (pair, *self.periods.shifted_alike(*pair)):
                    known.add(earlier, later)
            if one["type"] == "OPERATOR_IS_NOT_NULL" and facts is None:
                known.have(self._symbol(one["children"][0], cells))
            times = self._times(one, cells)
            is_clear = pairs and not any(map(self.facts.is_opaque, set().union(*pairs)))
            if is_clear or one["type"] in _OF_NO_ORDER:
                continue
            if len(times) > 1:
                known.blur(times)
            columns = set(self._columns(one, cells))
            if len(columns) > 1:
                for column in columns:
                    if self.facts.is_opaque(column.symbol):
                        known.blur(column.reads.bounds)

    def _steps_between(
        self, node: PlanNode, cells: Sequence[Cell]
    ) -> Iterator[tuple[Symbol, Symbol]]:
        """Yield the end of an earlier period with a later one: it has ended when that begins."""
        if node["type"] not in ("COMPARE_LESSTHAN", "COMPARE_GREATERTHAN"):
            return
        earlier, later = node["children"][:: 1 if node["type"] == "COMPARE_LESSTHAN" else -1]
        kinds = {type_of(one) for one in (earlier, later)}
        one, other = self._symbol(earlier, cells), self._symbol(later, cells)
        length = TimeSpan(days=1) if kinds == {"DATE"} else self.periods.common_length(one, other)
        # The periods of zones begin at different times.
        if length is not None and "TIMESTAMP WITH TIME ZONE" not in kinds:
            yield self.periods.shifted_by(one, length), other

    def _columns(self, node: PlanNode, cells: Sequence[Cell]) -> Iterator[Cell]:
        if node["type"] == "BOUND_REF":
            yield column_at(node, cells)
        else:
            for part in parts_in(node):
                yield from self._columns(part, cells)

    def _implied(
        self, node: PlanNode, cells: Sequence[Cell], *, is_true: bool = True
    ) -> set[tuple[Symbol, Symbol]]:
        """Return the pairs of symbols of which a condition says that the first is never later."""
        children = node.get("children", ())
        if node["type"] == "OPERATOR_NOT":
            return self._implied(children[0], cells, is_true=not is_true)
        if node["type"].startswith("CONJUNCTION_"):
            parts = [self._implied(part, cells, is_true=is_true) for part in children]
            is_all = (node["type"] == "CONJUNCTION_AND") == is_true
            return set.union(*parts) if is_all else set.intersection(*parts)
        sign = (COMPARISONS if is_true else _NEGATED).get(node["type"])
        if sign is None:
            return set()
        one, other = (self._symbol(part, cells) for part in children)
        pairs = {(one, other)} if sign in ("<=", "=") else set()
        return pairs | ({(other, one)} if sign in (">=", "=") else set())

    def _times(self, node: PlanNode, cells: Sequence[Cell]) -> frozenset[Symbol]:
        """Return the times that an expression is computed of."""
        if node["type"] == "BOUND_REF":
            symbol = column_at(node, cells).symbol
            is_time = type_of(node) in FINER or self.facts.sources(symbol) != {symbol}
            return self.facts.sources(symbol) if is_time else frozenset()
        return frozenset().union(*(self._times(part, cells) for part in parts_in(node)))

    def _unknown(self) -> Symbol:
        return self.facts.symbol(opaque=True)

    def coalesced(self, one: Symbol, other: Symbol, name: Symbol) -> None:
        """Note what ``coalesce`` of two symbols is, in either order."""
        for pair in ((one, other), (other, one)):
            self._known["OPERATOR_COALESCE", pair, "", "null"] = name

    # -- inside -----------------------------------------------------------------------

    def _symbol(self, node: PlanNode, cells: Sequence[Cell]) -> Symbol:
        if node["type"] == "BOUND_REF":
            return column_at(node, cells).symbol
        parts = tuple(self._symbol(part, cells) for part in node.get("children", ()))
        name = function_in(node) or node["type"]
        own = constant(node)
        kind = "" if name == "OPERATOR_COALESCE" else type_of(node)
        # Two lambdas over the same column are told apart by what they were bound with.
        bound = json.dumps(node.get("function_data"), sort_keys=True)
        key = (name, parts, kind if own is None else (kind, repr(own)), bound)
        if node["type"] == "CASE_EXPR" or (own is None and not parts):
            made = self._unknown()  # of which two are never told to be the same
        elif key in self._known:
            return self._known[key]
        else:
            made = self._known[key] = self._made(node, name, parts)
        if own is not None or (parts and all(map(self.facts.is_constant, parts))):
            self.facts.fix(made)
        if name not in _PARTS_OF_TIMES and (times := self._times(node, cells)):
            self.facts.derive(made, times, parts)
        return made

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
        made = self._unknown()
        if name == "last_day":
            # At midnight before the month's last day: what is of that day is later.
            self.periods.note_last_day(made, parts[0])
        return made

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
        return self.periods.shift(made, of, -length if name == "-" else length)

    def _rounds(
        self, made: Symbol, name: str, children: Sequence[PlanNode], parts: Sequence[Symbol]
    ) -> bool:
        """Note a time that is rounded down to a unit."""
        if name not in ("date_trunc", "datetrunc", "time_bucket") or len(parts) != 2:
            return False
        if name == "time_bucket":
            length = span_of(children[0])
        else:
            length = TimeSpan(*SPANS.get(str(constant(children[0])).lower(), ()))
        if length is None or sum(map(bool, length)) != 1:
            return False
        self.periods.round(made, parts[1], length)
        return True

    def _cast(self, made: Symbol, node: PlanNode, parts: Sequence[Symbol]) -> bool:
        if node["type"] != "OPERATOR_CAST" or len(parts) != 1:
            return False
        of, to = type_of(node["children"][0]), type_of(node)
        if not of:
            of = str((node.get("arguments") or [{}])[0].get("id", ""))
        if of not in FINER or to not in FINER:
            return False
        if FINER[of] <= FINER[to]:
            self.facts.equate(made, parts[0])
            self.periods.round_alike(made, parts[0])
        elif to == "DATE" and of != "TIMESTAMP_NS":
            self.periods.round_to_days(made, parts[0])
        else:
            # A cast to coarser units than a day's rounds to the nearest: it may be later.
            return False
        return True

    def _chosen(self, made: Symbol, name: str, parts: Sequence[Symbol]) -> bool:
        """Note the largest of some times, the smallest, or one of them."""
        if name not in ("greatest", "least", "OPERATOR_COALESCE") or not parts:
            return False
        above = [self.facts.not_later(part) for part in parts]
        if name == "greatest":
            for part in parts:
                # NULL counts for nothing here, and for an end it means that it is to come.
                if not self.facts.may_come(part):
                    self.facts.add(part, made)
        # Where one part is NULL it is another: `least` is not always before each of them.
        for each in set.intersection(*above):
            self.facts.add(made, each, rounded=True)
        return True
