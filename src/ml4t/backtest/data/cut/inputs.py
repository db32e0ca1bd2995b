"""Inputs: what a query reads beside the sources of its catalog, without the rows of later times.

DuckDB's own parser says where files stand in the text. Each is put into brackets there, with the
condition that its rows are of the bar or earlier, and all else stays as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any, NamedTuple

from ml4t.backtest.data.cut.cut_bar import CutBar
from ml4t.backtest.data.database import Database, EngineError
from ml4t.backtest.data.sources.naming import AVAILABLE_AT, USUAL, key_of
from ml4t.backtest.data.sql_files import quote, read, rows_of

# Functions that read no file, and make rows of what is there.
_NO_FILES = frozenset({"unnest", "range", "generate_series", "repeat", "repeat_row", "summary"})
# Functions of which no rows can be left out from without, and why.
_WHOLE = {
    "query": "its text is SQL by itself, which is not taken apart",
    "read_text": "its times are those of files, and not of what they hold",
    "read_blob": "its times are those of files, and not of what they hold",
}
# Columns that a file has where they are named, and that ``*`` leaves out.
_UNLISTED = ("filename", "file_row_number", "file_index")
_TIMES = ("DATE", "TIMESTAMP")


class Input(NamedTuple):
    """What a query reads, and how it was cut.

    Attributes
    ----------
    text : str
        As it stands in the query.
    clock : str
        Column whose later rows are left out, ``::date`` where rows of the day of the bar stay;
        empty: there is none.
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
    own = frozenset(name.lower() for name in names)
    text, inputs, done = query.encode(), list[Input](), 0
    parts: list[bytes] = []
    for node in sorted(_relations(tree, own, own), key=lambda one: one["query_location"]):
        if not node["query_location_length"]:
            # As after TABLE, DESCRIBE and SUMMARIZE.
            name = node.get("table_name", "")
            inputs.append(Input(name, "", "DuckDB does not say where it stands in the query"))
            continue
        start = node["query_location"]
        end = start + node["query_location_length"]
        written = text[start:end].decode()
        columns = database.schema(rows_of(written))
        clock, why = _clock_of(columns), _WHOLE.get(_function_of(node), "")
        if why or not clock:
            none = "no column of it is a time by its name, or the only one by its type"
            inputs.append(Input(written, "", why or f"{none}: {', '.join(columns)}"))
            continue
        items = ", ".join(("*", *_unlisted(written, query, columns, database)))
        if bar.is_day and key_of(clock) != AVAILABLE_AT and columns[clock] != "DATE":
            # Or a bar of a day would be made of nothing that traded in it.
            clock, time = f"{clock}::date", f"{quote(clock)}::date"
        else:
            time = quote(clock)
        known = rows_of(written, items, where=f"{time} <= {bar.sql}")
        parts += [text[done:start], f"({known}) as {quote(_name_of(node))}".encode()]
        done = end
        inputs.append(Input(written, clock))
    return CutQuery(b"".join([*parts, text[done:]]).decode(), tuple(inputs))


def relations_beside(query: str, tree: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """Return what a query reads beside the sources of a catalog, as it is written there.

    Parameters
    ----------
    query : str
    tree : mapping
        The query as DuckDB takes it apart.
    names : collection of str
        Of the sources.
    """
    own, text = frozenset(name.lower() for name in names), query.encode()
    return [
        text[start : start + node["query_location_length"]].decode() or node["table_name"]
        for node in _relations(tree, own, own)
        for start in [node["query_location"]]
    ]


def _unlisted(
    written: str, query: str, columns: Collection[str], database: Database
) -> Iterator[str]:
    """Yield the columns of a file that are not among its own, as far as a query names them."""
    for name in _UNLISTED:
        if name in query.lower() and name not in columns:
            with suppress(EngineError):
                database.schema(rows_of(written, name))
                yield name


def _relations(
    node: Any, own: frozenset[str], sources: frozenset[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield what stands behind FROM and JOIN, wherever in a query, and is not cut by itself.

    Parameters
    ----------
    own, sources : frozenset of str
        Names that stand for sources here, or for what WITH names; those of sources alone.
    """
    if isinstance(node, Mapping):
        if node.get("type") in ("BASE_TABLE", "TABLE_FUNCTION") and not _is_own(node, own, sources):
            yield node
        for each in node.get("cte_map", {}).get("map", ()):
            key, query = frozenset({each["key"].lower()}), each["value"]["query_node"]
            is_recursive = query["type"] == "RECURSIVE_CTE_NODE"
            yield from _relations(query, own | key if is_recursive else own, sources)
            own |= key
        for name, one in node.items():
            if name != "cte_map":
                yield from _relations(one, own, sources)
    elif isinstance(node, list):
        for one in node:
            yield from _relations(one, own, sources)


def _is_own(node: Mapping[str, Any], own: Collection[str], sources: Collection[str]) -> bool:
    if node["type"] == "TABLE_FUNCTION":
        return _function_of(node) in _NO_FILES
    # What stands as ``raw.<name>`` is not cut, nor is what WITH names of any schema.
    name, schema = node["table_name"].lower(), node["schema_name"].lower()
    return name in own if not schema else schema == "main" and name in sources


def _function_of(node: Mapping[str, Any]) -> str:
    """Return the name of a table function; empty for what is none."""
    return str(node["function"]["function_name"]).lower() if "function" in node else ""


def _name_of(node: Mapping[str, Any]) -> str:
    """Return the name by which the rest of a query calls a relation."""
    if node["alias"]:
        return str(node["alias"])
    if node["type"] == "TABLE_FUNCTION":
        return _function_of(node)
    return PurePath(node["table_name"]).name.split(".")[0]


def _clock_of(columns: Mapping[str, str]) -> str:
    """Return the column that says since when a row is known; empty: nobody knows."""
    by_key = {key_of(name): name for name, kind in columns.items() if kind.startswith(_TIMES)}
    for name in (AVAILABLE_AT, "timestamp", *USUAL["timestamp"]):
        if name in by_key:
            return by_key[name]
    return next(iter(by_key.values())) if len(by_key) == 1 else ""
