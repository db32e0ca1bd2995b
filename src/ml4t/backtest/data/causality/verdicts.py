"""Verdicts: whether each column of a query is known at its own time.

The proof answers for the query, over relations whose rows are known since a time of theirs. It
says of a column that it is

- *local*: made of rows of its own time alone,
- *causal*: made of rows of its own time and earlier ones,
- *leaks*: made of rows of later times, too,
- *unproved*: something in it is not understood; that is no word for safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import NamedTuple

from ml4t.backtest.data.causality.binding import NOWHERE, Binder, KnownTable, NotBoundError
from ml4t.backtest.data.causality.facts import Facts, Symbol
from ml4t.backtest.data.causality.nodes import PlanError, function_in, nodes_of
from ml4t.backtest.data.causality.operators import PlanWalk
from ml4t.backtest.data.causality.relation import Cell, Dependence, PlanRows, Problem, both
from ml4t.backtest.data.causality.values import PlanValues
from ml4t.backtest.data.sql_files import render, rows_of
from ml4t.backtest.data.user_sql.stability import unstable_calls

LOCAL, CAUSAL, LEAKS, UNPROVED = "local", "causal", "leaks", "unproved"
# By which it begins that nothing was proved.
NOT_BOUND = "DuckDB does not bind it here: "


class Verdict(NamedTuple):
    """What is proved of a column.

    Attributes
    ----------
    column : str
    verdict : str
        ``local``, ``causal``, ``leaks`` or ``unproved``.
    what : str
        The part of the query that it is about; empty where there is nothing to say.
    why : str
    instead : str
        What to write.
    """

    column: str
    verdict: str
    what: str = ""
    why: str = ""
    instead: str = ""


def of_bars(verdict: Verdict) -> Verdict:
    """Return a verdict that advises what can be written where rows are of no asset."""
    instead = verdict.instead.replace("partition by asset_id order by", "order by")
    return verdict._replace(instead=instead)


class Prover:
    """Proves queries over tables.

    Parameters
    ----------
    tables : mapping of str to KnownTable
    are_days : bool
        Every bar stands for its day: a time and its date are the same to it.
    """

    def __init__(self, tables: Mapping[str, KnownTable], *, are_days: bool = False) -> None:
        self._binder, self._are_days = Binder(tables), are_days
        self._unstable: dict[tuple[str, int], str] = {}

    def prove(self, query: str, clock: str) -> list[Verdict]:
        """Return the verdict of each column of a query, in its order.

        Parameters
        ----------
        query : str
            One SELECT over the tables.
        clock : str
            Expression over the columns of the query that says since when a row is known; empty:
            it counts from the first bar on.
        """
        text = render("causality/with_clock", query=query, clock=clock or "null")
        try:
            plan = self._binder.plan(text)
        except NotBoundError as error:
            return [Verdict("*", UNPROVED, why=f"{NOT_BOUND}{error}")]
        facts, texts = Facts(), self._binder.texts(text)
        calls = {(name, len(node.get("children", ())))
                 for node in nodes_of(plan) if (name := function_in(node))}  # fmt: skip
        unstable = self._unstable_of(calls | {call[:2] for call in texts.calls})
        values = PlanValues(facts, texts, unstable, are_days=self._are_days)
        walk = PlanWalk(values, _tables(self._binder, values))
        try:
            *cells, known_at = (found := walk.rows(plan)).cells
        except PlanError as error:
            return [Verdict("*", UNPROVED, why=f"it is not understood: {error}")]
        # DuckDB has put its value in place of a call.
        left = {(name, node.get("query_location", NOWHERE))
                for node in nodes_of(plan) if (name := function_in(node))}  # fmt: skip
        folded = {name for name, _, place in texts.calls if name in unstable
                  and (name, place) not in left and (name, NOWHERE) not in left}  # fmt: skip
        fixed = tuple(Problem(False, f"{name}()", unstable[name]) for name in sorted(folded))
        rows = both(found.reads, Dependence(problems=fixed))
        stamp = known_at.symbol if clock else None
        return [_verdict(cell, rows, known_at.reads, stamp, values) for cell in cells]

    def _unstable_of(self, calls: Set[tuple[str, int]]) -> dict[str, str]:
        """Return the functions whose value depends on more than their arguments, and why."""
        new: dict[str, set[int]] = {}
        for name, number in calls - self._unstable.keys():
            new.setdefault(name, set()).add(number)
        found = unstable_calls(new, self._binder.database) if new else {}
        for name, numbers in new.items():
            self._unstable.update({(name, number): found.get(name, "") for number in numbers})
        return {name: why for name, number in calls if (why := self._unstable[name, number])}


def prove(
    query: str, tables: Mapping[str, KnownTable], clock: str, *, are_days: bool = False
) -> list[Verdict]:
    """Return the verdict of each column of a query over tables, as `Prover` does for many."""
    return Prover(tables, are_days=are_days).prove(query, clock)


def _tables(binder: Binder, values: PlanValues) -> Callable[[str], PlanRows]:
    """Return what gives the rows of a table, known since what its clock says."""

    def rows(name: str) -> PlanRows:
        table = binder.tables[name.lower()]
        bare = tuple(Cell(column, values.facts.symbol(), Dependence()) for column in table.columns)
        if table.why_unknown:
            reads = Dependence(problems=(Problem(False, name, table.why_unknown),))
        elif table.clock:
            query = render("causality/with_clock", query=rows_of(name), clock=table.clock)
            clocked = PlanWalk(values, lambda _: PlanRows(bare)).rows(binder.plan(query))
            reads = Dependence(frozenset({clocked.cells[-1].symbol}))
        else:
            reads = Dependence()
        cells = []
        for cell in bare:
            known = [table.problems[cell.name]] if cell.name in table.problems else []
            of_cell = both(reads, Dependence(problems=tuple(known)))
            is_end = cell.name == table.end
            if is_end:
                values.facts.expect(cell.symbol)
                of_cell = both(of_cell, Dependence(frozenset({cell.symbol})))
            cells.append(cell._replace(reads=of_cell, is_end=is_end))
        return PlanRows(tuple(cells), reads)

    return rows


def _verdict(
    cell: Cell, rows: Dependence, known_at: Dependence, stamp: Symbol | None, values: PlanValues
) -> Verdict:
    facts, reads = values.facts, both(rows, known_at, cell.reads)
    problems = [*reads.problems, *_late(reads, stamp, values)]
    if problems:
        worst = next((one for one in problems if one.is_leak), problems[0])
        kind = LEAKS if worst.is_leak else UNPROVED
        return Verdict(cell.name, kind, worst.what, worst.why, worst.instead)
    is_local = not reads.of_history and (
        stamp is None or all(facts.are_equal(bound, stamp) for bound in reads.bounds)
    )
    return Verdict(cell.name, LOCAL if is_local else CAUSAL)


def _late(reads: Dependence, stamp: Symbol | None, values: PlanValues) -> list[Problem]:
    """Return what is wrong with the time of a row, against those of what it was made of."""
    facts, found = values.facts, list[Problem]()
    for bound in sorted(reads.bounds):
        if stamp is not None and stamp in facts.not_later(bound):
            continue
        if stamp is None:
            why = "counts from the first bar on, and was made of rows that have a time"
            found.append(Problem(True, "a row", why))
        elif bound in facts.not_later(stamp, sharp=True):
            why = "was made of rows that are known after its own time"
            late = Problem(True, "a row", why, "the time of the latest row as timestamp")
            found.append(values.periods.blamed(bound) or late)
        elif bound in facts.not_later(stamp):
            why = "has a time that may be earlier than its data"
            found.append(Problem(False, "a row", why, "the timestamp itself, not rounded down"))
        else:
            why = "was made of rows whose times nothing bounds by its own"
            is_unclear = facts.is_opaque(stamp) or bound in facts.sources(stamp)
            is_leak = not (is_unclear or facts.reaches_opaque(bound))
            late = Problem(is_leak, "a row", why, "on ... and other.timestamp <= timestamp")
            told = values.periods.blamed(bound) or late
            found.append(told if is_leak else late)
    return found
