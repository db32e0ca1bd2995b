"""Binding: a query as DuckDB will run it, over empty tables of the same names and types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ml4t.backtest.data.causality.nodes import PlanNode, function_in, nodes_of
from ml4t.backtest.data.causality.relation import Problem
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sql_files import empty_table_of, read
from ml4t.backtest.errors import BacktestError

# Functions that are called by a word that looks like a column's name.
_WITHOUT_BRACKETS = {
    "current_catalog": "current_database", "current_date": "current_date",
    "current_schema": "current_schema", "current_time": "get_current_time",
    "current_timestamp": "get_current_timestamp", "localtime": "current_localtime",
    "localtimestamp": "current_localtimestamp",
}  # fmt: skip
# What DuckDB gives as the place of a node that it made itself.
NOWHERE = 2**64 - 1


class KnownTable(NamedTuple):
    """A relation that a query may read.

    Attributes
    ----------
    columns : mapping of str to str
        Their types.
    clock : str
        Expression that says since when a row is known; empty: from the first bar on.
    end : str
        Column that says until when a row holds, NULL as long as that is to come; empty: none.
    why_unknown : str
        Why nobody knows since when its rows are known; empty where they do.
    problems : mapping of str to Problem
        What is wrong with columns of it already.
    """

    columns: Mapping[str, str]
    clock: str = ""
    end: str = ""
    why_unknown: str = ""
    problems: Mapping[str, Problem] = {}


class NotBoundError(BacktestError):
    """A query that DuckDB does not bind over the tables that are known here."""


class Binder:
    """Binds queries over tables.

    Parameters
    ----------
    tables : mapping of str to KnownTable
    """

    def __init__(self, tables: Mapping[str, KnownTable]) -> None:
        self.tables = {name.lower(): table for name, table in tables.items()}
        self.database = Database()
        for name, table in tables.items():
            self.database.execute(empty_table_of(name, table.columns))

    def plan(self, query: str) -> PlanNode:
        """Return the last step of a query's plan.

        Raises
        ------
        NotBoundError
        """
        ((text,),) = self.database.rows(read("causality/plan"), {"query": query})
        found = json.loads(text)
        if found["error"]:
            raise NotBoundError(str(found["error_message"]))
        if len(found["plans"]) != 1:
            raise NotBoundError("it is more than one statement")
        plan: PlanNode = found["plans"][0]
        return plan

    def texts(self, query: str) -> Texts:
        """Return what stands in a query for the nodes of its plan."""
        return Texts(query, self.database)


class Texts:
    """The places in a query of the nodes of its plan.

    A window of a plan has no place of its own: it is that of the first window in the text with the
    same function, and the same columns for arguments, where there is one.

    Attributes
    ----------
    calls : list of tuple of str, int and int
        Names of functions, with numbers of arguments and places: a plan has but the value of some.
    """

    def __init__(self, query: str, database: Database) -> None:
        self._bytes = query.encode()
        ((parsed,),) = database.rows(read("audit/parsed"), {"query": query})
        tree = json.loads(parsed)
        self._windows = list(_windows(tree))
        self.calls = [call for one in nodes_of(tree) if (call := _call(one)) is not None]

    def __call__(self, node: PlanNode) -> str:
        """Return what the user wrote for a node, or the name of its function."""
        if "text" in node:
            return str(node["text"])
        for window in self._windows:
            if "partitions" in node and _signature(node) == _signature(window):
                return self._slice(window)
        return self._slice(node) or f"{function_in(node) or node['type'].lower()}(...)"

    def _slice(self, node: PlanNode) -> str:
        start, length = node.get("query_location", NOWHERE), node.get("query_location_length", 0)
        if start >= len(self._bytes) or not length:
            return ""
        return " ".join(self._bytes[start : start + length].decode(errors="replace").split())


def _call(node: PlanNode) -> tuple[str, int, int] | None:
    kind, place = node.get("class"), node.get("query_location", NOWHERE)
    if kind == "FUNCTION":
        return node["function_name"].lower(), len(node["arguments"]), place
    if kind == "COLUMN_REF" and node["column_names"][-1].lower() in _WITHOUT_BRACKETS:
        return _WITHOUT_BRACKETS[node["column_names"][-1].lower()], 0, place
    return None


def _windows(node: Any) -> Iterator[PlanNode]:
    if isinstance(node, Mapping):
        if node.get("class") == "WINDOW":
            yield node
        for part in node.values():
            yield from _windows(part)
    elif isinstance(node, list):
        for part in node:
            yield from _windows(part)


def _signature(node: PlanNode) -> tuple[str, ...]:
    """Return by what a window is found in the text: its function, columns and frame."""
    is_aggregate = node["type"] == "WINDOW_AGGREGATE"
    name = (function_in(node) or str(node.get("function_name", ""))) if is_aggregate else ""
    given = node.get("arguments", ()) if "class" in node else node["children"]
    first = [_column(one.get("expression", one)) for one in given[:1]]
    parts = [_column(one) for one in node["partitions"]]
    return (node["type"], name, *first, "by", *parts, node["start"], node["end"])


def _column(node: PlanNode) -> str:
    """Return the name of a column under its casts; empty for what is none."""
    while node.get("type") == "OPERATOR_CAST":
        node = node.get("child") or node["children"][0]
    is_column = node.get("type") in ("COLUMN_REF", "BOUND_REF")
    names = node.get("column_names") or [node.get("alias", "")]
    return str(names[-1]).lower() if is_column else ""
