"""Operators: what each step of a plan yields, and what that depends on.

The plan is DuckDB's own, bound and not yet changed by its optimizer: names, stars, aliases and
casts are resolved as they will be when the query runs. What is not understood is a problem, never
a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ml4t.backtest.data.causality.facts import Symbol
from ml4t.backtest.data.causality.joins import joined_rows
from ml4t.backtest.data.causality.nodes import FINER, PlanNode, function_in, type_of
from ml4t.backtest.data.causality.relation import (
    NO_ROWS_READ,
    Cell,
    Dependence,
    PlanRows,
    Problem,
    both,
    unclear,
)
from ml4t.backtest.data.causality.values import PlanValues
from ml4t.backtest.data.causality.windows import grouped, window_cell

_JOINS = ("LOGICAL_COMPARISON_JOIN", "LOGICAL_ANY_JOIN", "LOGICAL_ASOF_JOIN",
          "LOGICAL_CROSS_PRODUCT")  # fmt: skip
# PlanRows that are written out, or none.
_WRITTEN = ("LOGICAL_EXPRESSION_GET", "LOGICAL_DUMMY_SCAN", "LOGICAL_EMPTY_RESULT",
            "LOGICAL_CHUNK_GET", "LOGICAL_COLUMN_DATA_GET")  # fmt: skip
_SERIES = ("range", "generate_series", "repeat", "repeat_row", "unnest")
# Relations that DuckDB makes of the values that a subquery takes from outside.
_OUTSIDE = "__duckdb_delim"
_NO_COLUMN = 2**64 - 1


class PlanWalk:
    """Walks a plan from its tables up.

    Parameters
    ----------
    values : PlanValues
    base : callable
        Gives the rows of a table by its name.
    """

    def __init__(self, values: PlanValues, base: Callable[[str], PlanRows]) -> None:
        self._values, self._facts, self._base = values, values.facts, base
        self._ctes: dict[int, PlanRows] = {}
        self._steps: Mapping[str, Callable[[PlanNode], PlanRows]] = {
            "LOGICAL_PROJECTION": self._projection,
            "LOGICAL_FILTER": self._filter,
            "LOGICAL_WINDOW": self._window,
            "LOGICAL_AGGREGATE_AND_GROUP_BY": self._aggregate,
            "LOGICAL_DISTINCT": self._distinct,
            "LOGICAL_ORDER_BY": self._order,
            "LOGICAL_LIMIT": self._limit,
            "LOGICAL_UNION": self._union,
            "LOGICAL_EXCEPT": self._set,
            "LOGICAL_INTERSECT": self._set,
            "LOGICAL_UNNEST": self._unnest,
            "LOGICAL_GET": self._get,
            "LOGICAL_MATERIALIZED_CTE": self._cte,
            "LOGICAL_CTE_REF": self._cte_ref,
            **dict.fromkeys(_JOINS, self._join),
            **dict.fromkeys(_WRITTEN, self._constants),
        }

    def rows(self, node: PlanNode) -> PlanRows:
        """Return what a step of the plan yields."""
        step = self._steps.get(node["type"])
        return self._not_understood(node) if step is None else step(node)

    def _child(self, node: PlanNode, i: int = 0) -> PlanRows:
        return self.rows(node["children"][i])

    # -- one relation -----------------------------------------------------------------

    def _projection(self, node: PlanNode) -> PlanRows:
        of = self._child(node)
        cells = (self._values.cell(one, of.cells) for one in node["expressions"])
        return of._replace(cells=tuple(cells))

    def _filter(self, node: PlanNode) -> PlanRows:
        of, reads = self._child(node), list[Dependence]()
        for one in node["expressions"]:
            self._values.learn(one, of.cells)
            reads.append(self._values.reads(one, of.cells))
        return self._passed(node, of._replace(reads=both(of.reads, *reads)))

    def _window(self, node: PlanNode) -> PlanRows:
        of = self._child(node)
        made = (window_cell(one, of, self._values) for one in node["expressions"])
        return of._replace(cells=(*of.cells, *made))

    def _aggregate(self, node: PlanNode) -> PlanRows:
        of = self._child(node)
        keys = [self._values.cell(one, of.cells) for one in node.get("groups", ())]
        aggregates = node.get("expressions", ())
        if not aggregates and self._is_outside(node["children"][0]):
            # A row per value from outside, to which the answer is joined_rows again: that there is
            # one depends on nothing but the row outside.
            found = tuple(key._replace(reads=NO_ROWS_READ) for key in keys)
            return PlanRows(found, key=frozenset(key.symbol for key in keys))
        made = [self._values.cell(one, of.cells) for one in aggregates]
        text = self._values.text_of(aggregates[0]) if aggregates else "a group by"
        sets = node.get("grouping_sets") or [list(range(len(keys)))]
        ends = [self._extreme(one, of) for one in aggregates]
        parts = [grouped([keys[i] for i in each], made, of, self._values, text, ends)
                 for each in sets]  # fmt: skip
        if len(parts) == 1 and len(sets[0]) == len(keys):
            cells = list(parts[0].cells)
        else:
            # A key may be NULL here, and says nothing of the time of its row.
            # Nor is it known whether a row that leaks has a time at all.
            parts = [
                PlanRows(
                    tuple(one._replace(reads=_unknown(one.reads)) for one in part.cells),
                    _unknown(part.reads),
                )
                for part in parts
            ]
            reads = both(*(part.reads for part in parts))
            cells = [Cell(key.name, self._opaque(), reads) for key in keys]
            for i, one in enumerate(made, start=1):
                of_all = both(*(part.cells[i - 1 - len(made)].reads for part in parts))
                cells.append(Cell(one.name, self._opaque(), of_all))
        reads = both(*(part.reads for part in parts))
        n_told = len(node.get("grouping_functions", ()))
        cells += [Cell("", self._opaque(), reads) for _ in range(n_told)]
        return PlanRows(tuple(cells), reads, parts[0].key)

    def _extreme(self, node: PlanNode, of: PlanRows) -> tuple[str, Symbol] | None:
        """Return the time of which an aggregate is the first or last, and which of the two."""
        name = function_in(node)
        if name not in ("min", "max") or len(node["children"]) != 1 or node.get("filter"):
            return None
        (given,) = node["children"]
        return (
            (name, self._values.cell(given, of.cells).symbol) if type_of(given) in FINER else None
        )

    def _distinct(self, node: PlanNode) -> PlanRows:
        of = self._child(node)
        if node["distinct_type"] != "DISTINCT_ON":
            return grouped(of.cells, (), of, self._values, "distinct")
        keys = list(node["distinct_targets"])
        orders = (node.get("order_by") or {}).get("orders", ())
        left = [one for one in orders if one["expression"] not in keys]
        first = _first_rows("distinct on", partitions=keys, orders=left)
        number = window_cell(first, of, self._values)
        return of._replace(reads=both(of.reads, number.reads))

    def _order(self, node: PlanNode) -> PlanRows:
        return self._passed(node, self._child(node))

    def _passed(self, node: PlanNode, of: PlanRows) -> PlanRows:
        """Return the columns of rows that a step passes on."""
        kept = node.get("projection_map")
        return of._replace(cells=tuple(of.cells[i] for i in kept)) if kept else of

    def _limit(self, node: PlanNode) -> PlanRows:
        child = node["children"][0]
        is_ordered = child["type"] == "LOGICAL_ORDER_BY"
        below = self._child(child) if is_ordered else self.rows(child)
        of = self._passed(child, below) if is_ordered else below
        first = _first_rows("limit", orders=child["orders"] if is_ordered else ())
        reads = window_cell(first, below, self._values).reads
        ends = [node.get(f"{one}_val", {}).get("type", "UNSET") for one in ("limit", "offset")]
        if not {"UNSET", "CONSTANT_VALUE"}.issuperset(ends):
            reads = both(reads, _problem("limit", "is not written out"))
        return of._replace(reads=both(of.reads, reads))

    def _unnest(self, node: PlanNode) -> PlanRows:
        of = self._child(node)
        made = [self._values.cell(one, of.cells) for one in node["expressions"]]
        # A list of all times is taken apart into rows that may each be of its own.
        made = [Cell(one.name, self._opaque(), unclear(one.reads)) for one in made]
        rows = both(unclear(of.reads), *(one.reads for one in made))
        return PlanRows((*of.cells, *made), rows)

    # -- several ----------------------------------------------------------------------

    def _join(self, node: PlanNode) -> PlanRows:
        return joined_rows(node, self._child(node), self._child(node, 1), self._values)

    def _union(self, node: PlanNode) -> PlanRows:
        """PlanRows of several relations: of two columns is known what is known in each of them."""
        facts, parts = self._facts, [self.rows(child) for child in node["children"]]
        columns = list(zip(*(part.cells for part in parts), strict=True))
        made = [
            facts.symbol(opaque=any(facts.reaches_opaque(cell.symbol) for cell in cells))
            for cells in columns
        ]
        for one, cells in zip(made, columns, strict=True):
            if any(facts.may_come(cell.symbol) for cell in cells):
                facts.expect(one)
            later = [facts.not_later(cell.symbol) for cell in cells]
            sharp = [facts.not_later(cell.symbol, sharp=True) for cell in cells]
            for other, others in zip(made, columns, strict=True):
                each = [cell.symbol for cell in others]
                if one != other and all(map(set.__contains__, later, each)):
                    facts.add(one, other, rounded=not all(map(set.__contains__, sharp, each)))
        translated = [
            [self._translated(reads, part, made)
             for reads in (part.reads, *(cell.reads for cell in part.cells))]
            for part in parts
        ]  # fmt: skip
        reads, *each_reads = (both(*some) for some in zip(*translated, strict=True))
        cells = tuple(
            Cell(cell.name, one, some)
            for cell, one, some in zip(parts[0].cells, made, each_reads, strict=True)
        )
        if node.get("setop_all", True):
            return PlanRows(cells, reads)
        return grouped(cells, (), PlanRows(cells, reads), self._values, "union")

    def _translated(self, reads: Dependence, part: PlanRows, made: Sequence[Symbol]) -> Dependence:
        """Return what something of a part depends on, by the columns of the whole."""
        bounds = set[Symbol]()
        for bound in reads.bounds:
            later = self._facts.not_later(bound)
            one = self._facts.symbol(opaque=self._facts.reaches_opaque(bound))
            for cell, symbol in zip(part.cells, made, strict=True):
                if cell.symbol in later:
                    self._facts.add(one, symbol)
                    # Of the rows of other parts it says nothing.
                    if self._facts.are_equal(bound, cell.symbol):
                        self._facts.add_same(one, symbol)
            bounds.add(one)
        return reads._replace(bounds=frozenset(bounds))

    def _set(self, node: PlanNode) -> PlanRows:
        """EXCEPT and INTERSECT: a semi or anti join on all columns."""
        left, right = self._child(node), self._child(node, 1)
        pairs = [
            {"left": _ref(i), "right": _ref(i), "comparison": "COMPARE_NOT_DISTINCT_FROM"}
            for i in range(len(left.cells))
        ]
        as_join: PlanNode = {**node, "join_type": "SEMI", "conditions": pairs}
        found = joined_rows(as_join, left, right, self._values)
        return grouped(found.cells, (), found, self._values, "except or intersect")

    def _cte(self, node: PlanNode) -> PlanRows:
        self._ctes[node["table_index"]] = self._child(node)
        return self._child(node, 1)

    def _cte_ref(self, node: PlanNode) -> PlanRows:
        """Return the rows of a CTE, its times apart from those of every other reference to it."""
        of = self._ctes.get(node["cte_index"])
        if of is None:
            return self._not_understood(node)
        symbols = {cell.symbol for cell in of.cells} | of.reads.bounds
        symbols |= {bound for cell in of.cells for bound in cell.reads.bounds} | (of.key or set())
        new = self._facts.copied(symbols)
        self._values.periods.copy(new)

        def renamed(reads: Dependence) -> Dependence:
            return reads._replace(bounds=frozenset(new[one] for one in reads.bounds))

        names = node.get("bound_columns") or [cell.name for cell in of.cells]
        cells = (
            cell._replace(name=name, symbol=new[cell.symbol], reads=renamed(cell.reads))
            for name, cell in zip(names, of.cells, strict=True)
        )
        key = None if of.key is None else frozenset(new[one] for one in of.key)
        return PlanRows(tuple(cells), renamed(of.reads), key)

    def _is_outside(self, node: PlanNode) -> bool:
        names = node.get("bound_columns", ())
        return node["type"] == "LOGICAL_CTE_REF" and all(
            str(name).startswith(_OUTSIDE) for name in names
        )

    # -- tables -----------------------------------------------------------------------

    def _get(self, node: PlanNode) -> PlanRows:
        name = function_in(node)
        if name == "seq_scan":
            of, picked = self._base(node["function_data"]["table"]), list[Cell]()
            for column in node["column_indexes"]:
                if column["index"] >= len(of.cells):
                    problem = _problem("rowid", "depends on how rows are stored")
                    picked.append(Cell("rowid", self._opaque(), problem))
                else:
                    picked.append(of.cells[column["index"]])
            kept = node.get("projection_ids")
            cells = tuple(picked[i] for i in kept) if kept else tuple(picked)
            return PlanRows(cells, of.reads)
        if name in _SERIES and not node.get("children"):
            kept = [column["index"] for column in node["column_indexes"]]
            return PlanRows(
                tuple(Cell(node["names"][i], self._facts.symbol(), NO_ROWS_READ) for i in kept)
            )
        return self._not_understood(node)

    def _constants(self, node: PlanNode) -> PlanRows:
        of = self._child(node) if node.get("children") else PlanRows(())
        rows = node.get("expressions", ())
        if node["type"] != "LOGICAL_EXPRESSION_GET":
            n = len(node.get("chunk_types") or node.get("return_types") or ())
            return PlanRows(tuple(Cell("", self._facts.symbol(), NO_ROWS_READ) for _ in range(n)))
        reads = [
            both(*(self._values.reads(one, of.cells) for one in each))
            for each in zip(*rows, strict=True)
        ]
        return PlanRows(tuple(Cell("", self._facts.symbol(), one) for one in reads), of.reads)

    def _not_understood(self, node: PlanNode) -> PlanRows:
        what = function_in(node) or node["type"].removeprefix("LOGICAL_").replace("_", " ").lower()
        reads = _problem(what, "is not understood by this proof")
        n = (
            len(node.get("column_indexes", ()))
            or node.get("column_count")
            or len(node.get("chunk_types", ()))
        )
        children = [self.rows(child) for child in node.get("children", ())]
        cells = [cell for child in children for cell in child.cells]
        made = cells if not n else [Cell("", self._opaque(), reads) for _ in range(n)]
        # What it makes of later rows nobody knows: it may leave them out.
        of_all = both(reads, *(unclear(child.reads) for child in children))
        cells = [Cell(one.name, self._opaque(), both(of_all, unclear(one.reads))) for one in made]
        return PlanRows(tuple(cells), of_all)

    def _opaque(self) -> Symbol:
        return self._facts.symbol(opaque=True)


def _problem(what: str, why: str) -> Dependence:
    return Dependence(problems=(Problem(False, what, why),))


def _unknown(reads: Dependence) -> Dependence:
    """Return a dependence of which nobody says that it leaks."""
    return reads._replace(problems=tuple(one._replace(is_leak=False) for one in reads.problems))


def _ref(i: int) -> PlanNode:
    return {"type": "BOUND_REF", "index": i, "expression_class": "BOUND_REF"}


def _first_rows(
    text: str, *, orders: Sequence[PlanNode], partitions: Sequence[PlanNode] = ()
) -> PlanNode:
    """Return the numbering of rows by which some are kept, as a plan has it."""
    return {
        "type": "WINDOW_ROW_NUMBER", "children": [], "partitions": partitions, "orders": orders,
        "arg_orders": [], "start": "UNBOUNDED_PRECEDING", "end": "CURRENT_ROW_ROWS",
        "exclude_clause": "NO_OTHER", "text": text,
    }  # fmt: skip
