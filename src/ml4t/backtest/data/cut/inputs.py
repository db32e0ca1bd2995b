"""Inputs: what a query reads beside the sources of its catalog, without the rows of later times.

DuckDB's own parser says where files stand in the text. Each is put into brackets there, with the
condition that its rows are of the bar or earlier, and all else stays as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.database import Database
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, USUAL, key_of
from ml4t.backtest.data.sql_files import quote, read, rows_of

# Functions that read no file, and make rows of what is there.
_NO_FILES = frozenset({"unnest", "range", "generate_series", "repeat", "repeat_row", "summary"})
_TIMES = ("DATE", "TIMESTAMP")


class Input(NamedTuple):
    """What a query reads, and how it was cut.

    Attributes
    ----------
    text : str
        As it stands in the query.
    clock : str
        Column whose later rows are left out; empty: there is none.
    why : str
        Why nothing of it was left out; empty where something was.
    """

    text: str
    clock: str
    why: str = ""


class CutQuery(NamedTuple):
    """A query over what was known at a bar, and what was cut for it."""

    text: str
    inputs: tuple[Input, ...]


def cut_query(query: str, bar: CutBar, names: Collection[str], database: Database) -> CutQuery:
    """Return a query with its files cut at a bar.

    Parameters
    ----------
    query : str
    names : collection of str
        Of the sources and views of the catalog, which are cut by themselves.
    database : Database
        A session that can read the files.
    """
    ((parsed,),) = database.rows(read("audit/parsed"), {"query": query})
    tree: Mapping[str, Any] = json.loads(parsed)
    if tree["error"]:
        return CutQuery(query, (Input(query, "", "DuckDB does not take such a query apart"),))
    own = {name.lower() for name in names} | set(_common_tables(tree))
    text, inputs, done = query.encode(), list[Input](), 0
    parts: list[bytes] = []
    for node in sorted(_relations(tree), key=lambda one: one["query_location"]):
        if _is_own(node, own):
            continue
        start = node["query_location"]
        end = start + node["query_location_length"]
        written = text[start:end].decode()
        columns = database.schema(rows_of(written))
        clock = _clock_of(columns)
        if not clock:
            told = ", ".join(columns)
            why = f"no column of it is a time by its name, or the only one by its type: {told}"
            inputs.append(Input(written, "", why))
            continue
        known = rows_of(written, where=f"{quote(clock)} <= {bar.sql}")
        parts += [text[done:start], f"({known}) as {quote(_name_of(node))}".encode()]
        done = end
        inputs.append(Input(written, clock))
    return CutQuery(b"".join([*parts, text[done:]]).decode(), tuple(inputs))


def _relations(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what stands behind FROM and JOIN, wherever in a query."""
    if isinstance(node, Mapping):
        if node.get("type") in ("BASE_TABLE", "TABLE_FUNCTION"):
            yield node
        for one in node.values():
            yield from _relations(one)
    elif isinstance(node, list):
        for one in node:
            yield from _relations(one)


def _common_tables(node: Any) -> Iterator[str]:
    """Yield the names that WITH gives, in lower case."""
    if isinstance(node, Mapping):
        for one in node.get("cte_map", {}).get("map", ()):
            yield one["key"].lower()
        for one in node.values():
            yield from _common_tables(one)
    elif isinstance(node, list):
        for one in node:
            yield from _common_tables(one)


def _is_own(node: Mapping[str, Any], own: Collection[str]) -> bool:
    if node["type"] == "TABLE_FUNCTION":
        return node["function"]["function_name"].lower() in _NO_FILES
    return node["table_name"].lower() in own


def _name_of(node: Mapping[str, Any]) -> str:
    """Return the name by which the rest of a query calls a relation."""
    if node["alias"]:
        return str(node["alias"])
    if node["type"] == "TABLE_FUNCTION":
        return str(node["function"]["function_name"])
    return PurePath(node["table_name"]).name.split(".")[0]


def _clock_of(columns: Mapping[str, str]) -> str:
    """Return the column that says since when a row is known; empty: nobody knows."""
    by_key = {key_of(name): name for name, kind in columns.items() if kind.startswith(_TIMES)}
    for name in (AVAILABLE_AT, "timestamp", *USUAL["timestamp"]):
        if name in by_key:
            return by_key[name]
    return next(iter(by_key.values())) if len(by_key) == 1 else ""
